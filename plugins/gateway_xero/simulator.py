"""A Xero organisation on this machine: tokens that rotate, the tenant header, idempotency keys, limits and checks.

It books what it is told even when its answer is lost. Every name and amount in it is made up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import AFTER, SimulatedApi, SimulatedSystem
from gateway.testing.simulated_oauth import SimulatedOAuth

ORGANISATION = "5f2f4c38-0000-4000-8000-000000000001"
PAGE = 100
_WHERE = re.compile(r"Date==DateTime\((\d{4}),(\d{1,2}),(\d{1,2})\)")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Organisation(SimulatedApi):
    """One organisation's manual journals.

    Args:
        budget: requests in so many seconds.
        accounts: codes of its accounts; any code is one when not given.
    """

    def __init__(self, budget: RateBudget | None = None, accounts: frozenset[str] = frozenset()) -> None:
        super().__init__(budget or RateBudget(requests=60, seconds=60.0))
        self.oauth = SimulatedOAuth(lifetime=1800.0)
        self.journals: dict[str, dict[str, Any]] = {}
        """Manual journals by id."""
        self.locked_until: date | None = None
        """Books are locked up to and with this day."""
        self.forgets = False
        """Whether idempotency keys are forgotten at once: their life is limited at the vendor too."""
        self._accounts = accounts
        self._keys: dict[str, tuple[bytes, int, dict[str, Any]]] = {}

    def routes(self, router: web.UrlDispatcher) -> None:
        """Token endpoint and manual journals."""
        router.add_post("/connect/token", self.oauth.token)
        router.add_post("/api.xro/2.0/ManualJournals", self._create)
        router.add_get("/api.xro/2.0/ManualJournals", self._list)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 without a token that is good now, 403 without the organisation."""
        if request.path == "/connect/token":
            return None
        if not self.oauth.admits(request):
            return web.json_response({"Title": "Unauthorized", "Status": 401}, status=401)
        if request.headers.get("xero-tenant-id") != ORGANISATION:
            return web.json_response({"Title": "Forbidden", "Status": 403}, status=403)
        return None

    async def _create(self, request: web.Request) -> web.Response:
        key, sent = request.headers.get("idempotency-key", ""), await request.read()
        if len(key) > 128:
            return _answer(400, {"ErrorNumber": 10, "Type": "ValidationException", "Message": "Key too long"})
        known = self._keys.get(key)
        if known is not None and known[0] != sent:
            return _answer(400, {"ErrorNumber": 10, "Type": "ValidationException", "Message": "Key used before"})
        if known is None or not key:
            known = sent, *self._book(_decode(sent), summarize=request.query.get("summarizeErrors") != "false")
            if key and not self.forgets:
                self._keys[key] = known
        return await self.after(request, _answer(known[1], known[2]))

    def _book(self, body: dict[str, Any], *, summarize: bool) -> tuple[int, dict[str, Any]]:
        told = [self._one(one) for one in body["ManualJournals"]]
        if summarize and any("ValidationErrors" in one for one in told):
            message = "A validation exception occurred"
            return 400, {"ErrorNumber": 10, "Type": "ValidationException", "Message": message, "Elements": told}
        return 200, {"ManualJournals": told}

    def _one(self, one: dict[str, Any]) -> dict[str, Any]:
        wrong = self._wrong(one)
        if wrong:
            return {**one, "StatusAttributeString": "ERROR", "ValidationErrors": [{"Message": wrong}]}
        id = f"00000000-0000-4000-8000-{len(self.journals) + 1:012d}"
        self.journals[id] = one
        return {**one, "ManualJournalID": id, "StatusAttributeString": "OK"}

    def _wrong(self, one: dict[str, Any]) -> str:
        """Message of the first check that a manual journal does not pass."""
        lines = one.get("JournalLines", [])
        if not one.get("Narration"):
            return "Narration must not be empty"
        if len(lines) < 2 or sum((Decimal(line["LineAmount"]) for line in lines), Decimal(0)):
            return "The total debits must equal total credits"
        if self._accounts and any(line["AccountCode"] not in self._accounts for line in lines):
            return "Account code is not a valid code for this document"
        if any(len(line.get("Tracking", ())) > 2 for line in lines):
            return "At most two tracking categories"
        if self.locked_until is not None and date.fromisoformat(one["Date"]) <= self.locked_until:
            return "The document date cannot be before the period lock date"
        return ""

    async def _list(self, request: web.Request) -> web.Response:
        where = _WHERE.fullmatch(request.query.get("where", ""))
        if where is None:
            return _answer(400, {"ErrorNumber": 16, "Type": "QueryParseException", "Message": "No such filter"})
        day = date(*map(int, where.groups())).isoformat()
        found = [{**one, "ManualJournalID": id} for id, one in self.journals.items() if one["Date"] == day]
        size = min(int(request.query.get("pageSize", PAGE)), PAGE)
        start = (int(request.query.get("page", "1")) - 1) * size
        return _answer(200, {"ManualJournals": found[start : start + size]})

    def balances(self) -> Mapping[str, Decimal]:
        """Sum of each account; debits are positive."""
        sums: dict[str, Decimal] = {}
        for one in self.journals.values():
            for line in one["JournalLines"]:
                code = line["AccountCode"]
                sums[code] = sums.get(code, Decimal("0.00")) + Decimal(line["LineAmount"])
        return sums


def _answer(status: int, told: dict[str, Any]) -> web.Response:
    body = msgspec.json.Encoder(decimal_format="number").encode(told)
    return web.Response(status=status, body=body, content_type="application/json")


def _tell(api: SimulatedApi) -> Mapping[str, str]:
    client, secret = SimulatedOAuth.client
    return {
        "organisation": ORGANISATION, "url": api.base_url, "token_url": f"{api.base_url}/connect/token",
        "client_id": client, "client_secret": secret, "refresh_token": "refresh-0", "allow_loopback": "true",
    }  # fmt: skip


SIMULATORS = (SimulatedSystem("xero", "A Xero organisation.", lambda _seed, _size: Organisation(), _tell, AFTER),)
