"""The made-up clinic: one list of patients."""

from __future__ import annotations

import itertools

from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi, SimulatedSystem


class Clinic(SimulatedApi):
    def __init__(self, size: int) -> None:
        super().__init__(RateBudget(requests=20, seconds=1.0))
        self._stamps = (f"2026-{number:08d}" for number in itertools.count(1))
        self.patients = {
            key: {"id": key, "name": f"Vandermeer {1000 + key}", "language": "en"} for key in range(1, size + 1)
        }
        for key in self.patients:
            self.touch(key)

    def touch(self, key: int, **fields) -> None:
        self.patients[key] |= {"changed": next(self._stamps), **fields}

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

    async def _list(self, request: web.Request) -> web.Response:
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
        },
    ),
)  # fmt: skip
