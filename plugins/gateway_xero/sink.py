"""One organisation: a request per manual journal, each under an idempotency key, within the limits of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Literal
from urllib.parse import quote, urlencode

from gateway.books import exchange, signed_in, unanswered
from gateway.chart import Journal
from gateway.errors import SourceUnavailable
from gateway.model.exchange import Ambiguous, Outcome, RateBudget, Rejected, Retry
from gateway.transport.budget import RateWindow
from gateway.transport.egress import Answer, Egress
from gateway.transport.refresh_token import RefreshToken
from gateway_xero.config import XeroConfig
from gateway_xero.translate import body, outcome, reply

PATH = "/api.xro/2.0/ManualJournals"
PAGES = 50
"""Pages that are looked through for one day; more journals than these hold are not made in a day."""
_GONE = frozenset({"VOIDED", "DELETED"})


class Xero:
    """The manual journals of one organisation."""

    def __init__(self, config: XeroConfig, egress: Egress, token: RefreshToken) -> None:
        self._config = config
        self._egress = egress
        self._token = token
        self._limit = RateWindow(RateBudget(requests=config.per_minute, seconds=60.0))
        self._refused: Counter[str] = Counter()
        """How often a journal was refused: a repeated key would get the same refusal again."""

    async def post(self, journals: Sequence[Journal]) -> Sequence[Outcome]:
        """Book one after another; when the organisation asks for patience, the rest is not tried."""
        outcomes: list[Outcome] = []
        for one in journals:
            last = outcomes[-1] if outcomes else None
            outcomes.append(last if isinstance(last, Retry) else await self._post(one))
        return outcomes

    async def _post(self, one: Journal) -> Outcome:
        key = one.key()
        told = await self._call(
            "POST", f"{PATH}?summarizeErrors=false", body(one, self._config.status, self._config.tracking),
            {"idempotency-key": f"{key}-{self._refused[key]}"},
        )  # fmt: skip
        if not isinstance(told, Answer):
            return told
        result = outcome(one, told.status, told.body, self._config.refusals)
        if isinstance(result, Rejected):
            self._refused[key] += 1
        return result

    async def find(self, number: str, day: date) -> str | None:
        """Id of the manual journal of that day whose narration begins with this number."""
        where = f"Date==DateTime({day.year},{day.month},{day.day})"
        for page in range(1, PAGES + 1):
            query = urlencode({"where": where, "page": page, "pageSize": self._config.page}, quote_via=quote)
            told = await self._call("GET", f"{PATH}?{query}")
            if not isinstance(told, Answer):
                raise unanswered(told, PATH)
            found = reply(told.body) if told.status == 200 else None
            if found is None:
                raise SourceUnavailable("The books cannot be read", where=PATH)
            if not found.journals:  # a short page says nothing: the API may give fewer than asked for
                return None
            for each in found.journals:
                if each.narration.partition(" ")[0] == number and each.status not in _GONE:
                    return each.id
        raise SourceUnavailable("There are more journals on one day than can be looked through", where=PATH)

    async def _call(
        self, method: Literal["GET", "POST"], target: str, sent: bytes | None = None, more: dict[str, str] | None = None
    ) -> Answer | Retry | Ambiguous:
        async def send(bearer: str) -> Answer | Retry | Ambiguous:
            headers = {
                "authorization": f"Bearer {bearer}", "accept": "application/json",
                "xero-tenant-id": self._config.organisation, **(more or {}),
            }  # fmt: skip
            if sent is not None:
                headers["content-type"] = "application/json"
            async with self._limit.slot():
                return await exchange(self._egress, method, target, headers, sent)

        answer = await signed_in(self._token, send)
        if isinstance(answer, Answer) and answer.status == 403:
            return Retry("not-authorized", 3600.0)
        return answer

    async def close(self) -> None:
        """Close connections and give the token file free."""
        await self._egress.close()
        await self._token.close()
