"""One company: journals by single requests or batches, each request under an id that makes its repeat harmless."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date
from typing import Literal
from urllib.parse import quote, urlencode

from gateway.books import exchange, receipt, signed_in, unanswered
from gateway.chart import Journal
from gateway.errors import RetryLater, SourceUnavailable
from gateway.model.exchange import Ambiguous, Outcome, RateBudget, Rejected, Retry
from gateway.transport.budget import RateWindow
from gateway.transport.egress import Answer, Egress
from gateway.transport.refresh_token import RefreshToken
from gateway_quickbooks.config import QuickBooksConfig
from gateway_quickbooks.translate import DUPLICATE, Reply, batch, outcome, reply, single

PER_SECOND = RateBudget(requests=10, seconds=1.0)
PER_MINUTE = RateBudget(requests=500, seconds=60.0)
BATCHES = RateBudget(requests=40, seconds=60.0)


class QuickBooks:
    """The journal entries of one company."""

    def __init__(self, config: QuickBooksConfig, egress: Egress, token: RefreshToken) -> None:
        self._config = config
        self._egress = egress
        self._token = token
        self._limits = (RateWindow(PER_SECOND), RateWindow(PER_MINUTE))
        self._batches = RateWindow(BATCHES)
        self._refused: Counter[str] = Counter()
        """How often a journal was refused: a repeated request id would get the same refusal again."""

    async def post(self, journals: Sequence[Journal]) -> Sequence[Outcome]:
        """Book them, several in one batch."""
        outcomes = await (self._single(journals[0]) if len(journals) == 1 else self._batch(journals))
        settled = [await self._settled(one, each) for one, each in zip(journals, outcomes, strict=True)]
        self._refused.update(
            one.key() for one, each in zip(journals, settled, strict=True) if isinstance(each, Rejected)
        )
        return settled

    async def _single(self, one: Journal) -> Sequence[Outcome]:
        body = single(one, self._config.customers)
        answer = await self._call("POST", "journalentry", {"requestid": self._request_id(one)}, body)
        if not isinstance(answer, tuple):
            return [answer]
        status, told = answer
        return [outcome(one, told.entry, told.fault, status)]

    async def _batch(self, journals: Sequence[Journal]) -> Sequence[Outcome]:
        id = hashlib.sha256("\n".join(map(self._request_id, journals)).encode()).hexdigest()[:36]
        async with self._batches.slot():
            answer = await self._call("POST", "batch", {"requestid": id}, batch(journals, self._config.customers))
        if not isinstance(answer, tuple):
            return [answer] * len(journals)
        status, told = answer
        if told.fault is not None or not told.items:
            return [outcome(one, None, told.fault, status) for one in journals]
        items = {each.bid: each for each in told.items}
        return [
            outcome(one, items[str(place)].entry, items[str(place)].fault)
            if str(place) in items
            else Ambiguous("not-in-the-batch-answer")
            for place, one in enumerate(journals)
        ]

    async def _settled(self, one: Journal, told: Outcome) -> Outcome:
        """A number that is there already is this journal: nothing else has its number."""
        if told != DUPLICATE:
            return told
        try:
            found = await self.find(one.number, one.day)
        except RetryLater as error:
            return Ambiguous(error.code)
        return told if found is None else receipt(one, found)

    async def find(self, number: str, day: date) -> str | None:
        """Id of the journal entry with this document number."""
        del day
        statement = f"select * from JournalEntry where DocNumber = '{number}' startposition 1 maxresults 2"  # noqa: S608 - a number made of letters and digits, in the vendor's query language
        answer = await self._call("GET", "query", {"query": statement})
        if not isinstance(answer, tuple):
            raise unanswered(answer, "query")
        _, told = answer
        if told.found is None:
            raise SourceUnavailable("The books cannot be read (no query result)", where="query")
        return told.found.entries[0].id if told.found.entries else None

    def _request_id(self, one: Journal) -> str:
        key = one.key()
        return f"{key}-{self._refused[key]}" if key in self._refused else key

    async def _call(
        self, method: Literal["GET", "POST"], entity: str, query: dict[str, str], body: bytes | None = None
    ) -> tuple[int, Reply] | Retry | Ambiguous:
        """One call under the limits; its status and its answer in the API's own words."""
        told = urlencode({**query, "minorversion": self._config.minor_version}, quote_via=quote)
        target = f"/v3/company/{self._config.company}/{entity}?{told}"

        async def send(bearer: str) -> Answer | Retry | Ambiguous:
            headers = {"authorization": f"Bearer {bearer}", "accept": "application/json"}
            if body is not None:
                headers["content-type"] = "application/json"
            async with AsyncExitStack() as stack:
                for limit in self._limits:
                    await stack.enter_async_context(limit.slot())
                return await exchange(self._egress, method, target, headers, body)

        answer = await signed_in(self._token, send)
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 403:
            return Retry("not-authorized", 3600.0)
        told_back = reply(answer.body)
        return Ambiguous("answer-not-understood") if told_back is None else (answer.status, told_back)

    async def close(self) -> None:
        """Close connections and give the token file free."""
        await self._egress.close()
        await self._token.close()
