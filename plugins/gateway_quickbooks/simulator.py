"""A QuickBooks company on this machine: tokens that rotate, request ids that replay, the checks of journal entries.

It books what it is told even when its answer is lost, so that a sender that books twice is found out. Every name and
amount in it is made up.
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

COMPANY = "4620816365000000001"
BATCH = 30
NUMBER = 21
_QUERY = re.compile(r"select \* from JournalEntry where DocNumber = '([0-9A-Za-z-]+)'.*", re.IGNORECASE)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Company(SimulatedApi):
    """One company's journal entries.

    Args:
        budget: requests in so many seconds.
        accounts: ids of its accounts; any id is one when not given.
    """

    def __init__(self, budget: RateBudget | None = None, accounts: frozenset[str] = frozenset()) -> None:
        super().__init__(budget or RateBudget(requests=500, seconds=60.0))
        self.oauth = SimulatedOAuth()
        self.entries: dict[str, dict[str, Any]] = {}
        """Journal entries by id."""
        self.closed_until: date | None = None
        """Books are closed up to and with this day."""
        self.receivables: frozenset[str] = frozenset()
        """Accounts whose lines want a customer."""
        self._accounts = accounts
        self._replays: dict[str, tuple[int, dict[str, Any]]] = {}

    def routes(self, router: web.UrlDispatcher) -> None:
        """Token endpoint, journal entries, batch and query."""
        router.add_post("/oauth2/v1/tokens/bearer", self.oauth.token)
        router.add_post("/v3/company/{realm}/journalentry", self._create)
        router.add_post("/v3/company/{realm}/batch", self._batch)
        router.add_get("/v3/company/{realm}/query", self._query)

    def refusal(self, request: web.Request) -> web.Response | None:
        """401 without a token that is good now, 403 for another company, 400 for an old minor version."""
        if request.path.startswith("/oauth2/"):
            return None
        if not self.oauth.admits(request):
            return _answer(401, _fault("3200", "AuthenticationFault"))
        if f"/company/{COMPANY}/" not in request.path:
            return _answer(403, _fault("120", "AuthorizationFault"))
        version = request.query.get("minorversion", "")
        return None if version.isdecimal() and int(version) >= 75 else _answer(400, _fault("2170"))

    async def _create(self, request: web.Request) -> web.Response:
        status, told = await self._once(request, 50, self._book)
        return await self.after(request, _answer(status, told))

    async def _batch(self, request: web.Request) -> web.Response:
        status, told = await self._once(request, 36, self._book_all)
        return await self.after(request, _answer(status, told))

    async def _once(self, request: web.Request, most: int, act: Any) -> tuple[int, dict[str, Any]]:
        """Do it, or give the first answer to the same request id again."""
        id = request.query.get("requestid", "")
        if len(id) > most:
            return 400, _fault("2170")
        if id and id in self._replays:
            return self._replays[id]
        done: tuple[int, dict[str, Any]] = act(_decode(await request.read()))
        if id:
            self._replays[id] = done
        return done

    def _book_all(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        items = body["BatchItemRequest"]
        if len(items) > BATCH or any(len(one["bId"]) > 10 for one in items):
            return 400, _fault("2170")
        answers = [{"bId": one["bId"], **self._book(one["JournalEntry"])[1]} for one in items]
        return 200, {"BatchItemResponse": answers, "time": "2026-07-14T00:00:00Z"}

    def _book(self, entry: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        code = self._wrong(entry)
        if code:
            return 400, _fault(code)
        id = str(len(self.entries) + 1)
        self.entries[id] = entry
        return 200, {"JournalEntry": {**entry, "Id": id, "SyncToken": "0"}, "time": "2026-07-14T00:00:00Z"}

    def _wrong(self, entry: dict[str, Any]) -> str:
        """Code of the first check that a journal entry does not pass."""
        lines = entry.get("Line", [])
        total = Decimal(0)
        for line in lines:
            detail = line["JournalEntryLineDetail"]
            account = detail["AccountRef"]["value"]
            if self._accounts and account not in self._accounts:
                return "2500"
            if line["DetailType"] != "JournalEntryLineDetail" or Decimal(line["Amount"]) <= 0:
                return "2170"
            if account in self.receivables and "Entity" not in detail:
                return "6000"
            total += Decimal(line["Amount"]) * {"Debit": 1, "Credit": -1}[detail["PostingType"]]
        if len(lines) < 2 or total:
            return "6000"
        if len(entry.get("DocNumber", "")) > NUMBER:
            return "2170"
        if any(one["DocNumber"] == entry["DocNumber"] for one in self.entries.values()):
            return "6140"
        if self.closed_until is not None and date.fromisoformat(entry["TxnDate"]) <= self.closed_until:
            return "6210"
        return ""

    async def _query(self, request: web.Request) -> web.Response:
        asked = _QUERY.fullmatch(request.query.get("query", ""))
        if asked is None:
            return _answer(200, _fault("4000"))  # a query answers its own mistakes with status 200
        hits = [{**one, "Id": id} for id, one in self.entries.items() if one["DocNumber"] == asked[1]]
        found = {"JournalEntry": hits, "startPosition": 1, "maxResults": len(hits)} if hits else {}
        return _answer(200, {"QueryResponse": found, "time": "2026-07-14T00:00:00Z"})

    def balances(self) -> Mapping[str, Decimal]:
        """Sum of each account; debits are positive."""
        sums: dict[str, Decimal] = {}
        for entry in self.entries.values():
            for line in entry["Line"]:
                detail = line["JournalEntryLineDetail"]
                sign = 1 if detail["PostingType"] == "Debit" else -1
                account = detail["AccountRef"]["value"]
                sums[account] = sums.get(account, Decimal("0.00")) + sign * Decimal(line["Amount"])
        return sums


def _answer(status: int, told: dict[str, Any]) -> web.Response:
    body = msgspec.json.Encoder(decimal_format="number").encode(told)
    return web.Response(status=status, body=body, content_type="application/json")


def _fault(code: str, kind: str = "ValidationFault") -> dict[str, Any]:
    error = {"Message": "Simulated", "Detail": f"Simulated error {code}", "code": code, "element": ""}
    return {"Fault": {"Error": [error], "type": kind}, "time": "2026-07-14T00:00:00Z"}


def _tell(api: SimulatedApi) -> Mapping[str, str]:
    client, secret = SimulatedOAuth.client
    return {
        "company": COMPANY, "url": api.base_url, "token_url": f"{api.base_url}/oauth2/v1/tokens/bearer",
        "client_id": client, "client_secret": secret, "refresh_token": "refresh-0", "allow_loopback": "true",
    }  # fmt: skip


SIMULATORS = (SimulatedSystem("quickbooks", "A QuickBooks company.", lambda _seed, _size: Company(), _tell, AFTER),)
