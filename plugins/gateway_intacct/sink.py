"""One company: a session, and a request per journal under a control id that is taken once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from yarl import URL

from gateway.books import exchange, receipt, unanswered
from gateway.chart import Journal
from gateway.errors import InvalidConfiguration, RetryLater, SourceUnavailable
from gateway.model.exchange import Ambiguous, Outcome, Rejected, Retry
from gateway.transport.egress import Answer, Egress
from gateway_intacct.config import IntacctConfig
from gateway_intacct.translate import Identity, Response, create, login, look_up, request, response, session_call

_HEADERS = {"content-type": "application/xml", "accept": "application/xml"}
_RETRIES = 2


class Intacct:
    """The general ledger of one company.

    Args:
        config: the route's settings.
        identity: sender and user.
        way: opens a connection to one URL.
    """

    def __init__(self, config: IntacctConfig, identity: Identity, way: Callable[[str], Egress]) -> None:
        self._config = config
        self._who = identity
        self._way = way
        self._gate = way(config.url)
        self._ways = {config.url: self._gate}
        self._session: tuple[str, str] | None = None
        """Session id and endpoint."""
        self._used: Counter[str] = Counter()
        """How many control ids of a journal, or of a look-up, are used up by refusals."""
        self._turn = asyncio.Lock()

    async def post(self, journals: Sequence[Journal]) -> Sequence[Outcome]:
        """Book one after another; what waits or broke off is not followed by more."""
        outcomes: list[Outcome] = []
        for one in journals:
            last = outcomes[-1] if outcomes else None
            outcomes.append(last if isinstance(last, Retry) else await self._post(one))
        return outcomes

    async def _post(self, one: Journal) -> Outcome:
        key = one.key()
        function = create(one, self._config.journal, self._config.state)
        told = await self._call(key, function, unique=True)
        if not isinstance(told, Response):
            return told
        if not told.level:
            return receipt(one, told.key)
        # A control id that was taken before fails too, and then the journal is there.
        try:
            found = await self.find(one.number, one.day)
        except RetryLater as error:
            return Ambiguous(error.code)
        if found is not None:
            return receipt(one, found)
        self._used[key] += 1
        # Only a function's own failure is about the journal; anything else may be over the next time.
        return Rejected(f"refused-{told.error}") if told.level == "result" else Retry(f"{told.level}-{told.error}")

    async def find(self, number: str, day: date) -> str | None:
        """Record number of the batch with this reference."""
        told = await self._call(f"look-{number}-{day:%y%m%d}", look_up(number), unique=False)
        if not isinstance(told, Response):
            raise unanswered(told, "query")
        if told.level:
            raise SourceUnavailable(f"The books cannot be read ({told.error})", where="query")
        return told.key if told.found else None

    async def _call(self, key: str, function: str, *, unique: bool) -> Response | Retry | Ambiguous:
        """One function in the session; a session that is not taken any more is replaced once."""
        async with self._turn:
            for _ in range(_RETRIES):
                session = await self._signed_in()
                if not isinstance(session, tuple):
                    return session
                id, endpoint = session
                control = f"{key}-{self._used[key]}"
                body = request(self._who, control, f"<sessionid>{id}</sessionid>", function, unique=unique)
                told = await self._send(self._ways[endpoint], body)
                if not isinstance(told, Response) or told.error not in self._config.sign_in_errors:
                    return told
                self._session = None
                self._used[key] += 1
            return Retry("session-not-taken", self._config.wait)

    async def _signed_in(self) -> tuple[str, str] | Retry | Ambiguous:
        if self._session is None:
            body = request(self._who, "session", login(self._who), session_call(), unique=False)
            told = await self._send(self._gate, body)
            if not isinstance(told, Response):
                return Retry(told.reason)  # nothing is booked by signing in
            if told.level:
                return Retry("sign-in-refused", self._config.wait)
            endpoint = told.endpoint or self._config.url
            if endpoint not in self._ways:
                if not _same_house(endpoint, self._config.url):
                    return Retry("endpoint-of-another-domain", self._config.wait)
                try:
                    self._ways[endpoint] = self._way(endpoint)
                except InvalidConfiguration:
                    return Retry("endpoint-not-usable", self._config.wait)
            self._session = told.session, endpoint
        return self._session

    async def _send(self, egress: Egress, body: bytes) -> Response | Retry | Ambiguous:
        answer = await exchange(egress, "POST", egress.url.raw_path_qs, _HEADERS, body)
        if not isinstance(answer, Answer):
            return answer
        told = response(answer.body)
        return Ambiguous("answer-not-understood") if told is None else told

    async def close(self) -> None:
        """Close every connection."""
        for each in self._ways.values():
            await each.close()


def _same_house(endpoint: str, url: str) -> bool:
    """Whether an endpoint is on the configured host or a neighbour under the same registered domain, over TLS."""
    try:
        there, here = URL(endpoint), URL(url)
    except ValueError:
        return False
    if there.origin() == here.origin():
        return True
    domain = ".".join((here.host or "").split(".")[-2:])
    return there.scheme == "https" and (there.host or "").endswith(f".{domain}")
