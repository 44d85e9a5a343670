"""The made-up clinic: one list of patients."""

from __future__ import annotations

import time

from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import CLOCK, LISTS, SimulatedApi, SimulatedSystem

MADE = 1_760_000_000_000_000
"""When the clinic was filled, in microseconds since 1970: each clinic of a size is the same."""


class Clinic(SimulatedApi):
    def __init__(self, size: int) -> None:
        super().__init__(RateBudget(requests=20, seconds=1.0))
        self._last = 0
        self.patients = {
            key: {"id": key, "name": f"Vandermeer {1000 + key}", "language": "en", "changed": f"{MADE + key:020d}"}
            for key in (*range(1, size + 1), 1001, 1002)
        }

    def touch(self, key: int, **fields) -> None:
        now = int((time.time() + self.skew) * 1_000_000)
        self._last = now if now > self._last or self._last - now > 1_000_000 else self._last + 1  # never twice
        self.patients[key] |= {"changed": f"{self._last:020d}", **fields}

    def move(self) -> None:
        key = min(self.patients, key=lambda one: self.patients[one]["changed"])
        self.touch(key, name=f"Renamed {self.patients[key]['changed']}")

    def drift(self) -> None:
        for key, row in self.patients.items():
            row["tongue"] = row.pop("language")
            self.touch(key, name=f"Moved {key}")

    def routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/patients", self._list)

    def refusal(self, request: web.Request) -> None:
        return None

    def vanish(self) -> None:
        del self.patients[4]

    def _full(self, request: web.Request) -> web.Response:
        """Patients without guests, from an id on, or those asked for; ``total`` is how many follow."""
        asked = {int(id) for id in request.query.get("ids", "").split(",") if id}
        after = int(request.query.get("after", "0"))
        rows = [row for id, row in self.patients.items() if id < 1000 and (id in asked or (not asked and id > after))]
        size = len(rows) if asked else 10
        more = 0 if self.early else len(rows[size:])
        return web.json_response({"rows": rows[:size], "total": more, "announced": more})

    async def _list(self, request: web.Request) -> web.Response:
        if "since" not in request.query:
            return self._full(request)
        since, offset = request.query["since"], int(request.query["offset"])
        rows = sorted(
            (one for one in self.patients.values() if one["changed"] >= since), key=lambda one: one["changed"]
        )
        announced = len(rows) + self.takes("wrong-total")
        return web.json_response({"rows": rows[offset : offset + 5], "total": len(rows), "announced": announced})


SIMULATORS = (
    SimulatedSystem(
        "broken", "A made-up clinic.", lambda seed, size: Clinic(size), lambda api: {"base_url": api.base_url},
        {"wrong-total": "announces another number"},
        {
            "update": ("a patient is renamed", Clinic.move),
            "drift": ("a field has another name and all patients another", Clinic.drift),
            "remove": ("a patient is deleted", lambda api: api.touch(2, gone=True)),
            "vanish": ("a patient ends without a trace", Clinic.vanish),
            **CLOCK,
            **LISTS,
        },
    ),
)  # fmt: skip
