"""Whether the server still tells us what changes, and what it told and never arrived.

Servers stop: after failures they set a Subscription to error or off, at its end they delete it. Nobody is told then,
for whoever would be told is not reached. So the state of ours is looked at now and then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import structlog
from msgspec import structs
from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.model.exchange import Finding, Intake
from gateway.transport.http import HttpClient
from gateway.transport.smart import Token, lacking
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_bundle import Cut, cut_bundle
from gateway_fhir.records_notice import MISSED, STREAM, WATCHED, numbers
from gateway_fhir.records_subscription import LIVE, Subscription, Watched, watched
from gateway_fhir.transport_subscribe import listed

_ID = re.compile(r"(?:.*/)?Subscription/([A-Za-z0-9.\-]{1,64})")
_log = structlog.get_logger(__name__)


class Watch:
    """The stream that looks at our Subscriptions.

    Args:
        source: the name under which notifications come in.
        client: asks with a token of its own, whose scope servers may refuse without harm to any other stream.
        events: whether the server can be asked for past events.
        token: that token, where one is needed, and the scopes asked for.
    """

    name = WATCHED

    def __init__(
        self, source: str, client: HttpClient, config: FhirConfig, *, events: bool, token: Token | None,
        wanted: Sequence[str],
    ) -> None:  # fmt: skip
        self._source = source
        self._client = client
        self._config = config
        self._events = events
        self._token = token
        self._wanted = wanted
        self._blind = False

    async def poll(self, intake: Intake) -> None:
        """Look once; raises ``SourceUnavailable`` while one of ours does not tell us anything."""
        if not await self._may():
            return
        cursor = await intake.cursor(self.name)
        before = watched(cursor) if cursor else Watched()
        if self._events:
            before = await self._lost(intake, before)
        ours = [one for one in await listed(self._client, self._config) if one.leads_to(self._source)]
        live = {one.id: one.subject for one in ours if one.status in LIVE}
        gone = set(before.live) - {one.id for one in ours}
        lost = [id for id in gone if before.live[id] not in live.values()]
        waiting = tuple(sorted(one.id for one in ours if one.status == "requested"))
        after = structs.replace(before, live=live, waiting=waiting)
        if after != before:
            await intake.accept([], stream=self.name, cursor=after.text, findings=[_gone()] * bool(lost))
        if lost:
            _log.warning("subscription gone", source=self._source, count=len(lost), fix=_gone().fix)
        active = {one.subject for one in ours if one.status == "active"}
        silent = [one for one in ours if one.subject not in active and _silent(one, before)]
        if silent:
            raise SourceUnavailable(
                f"The server does not tell us what changes: {len(silent)} of our Subscriptions are not active",
                where="Subscription",
                fix=f"`gateway fhir subscriptions {self._source}` shows why, `gateway fhir subscribe {self._source}`"
                " makes them anew.",
            )

    async def _may(self) -> bool:
        """Whether we are allowed to see Subscriptions; that we are not is said once."""
        if self._token is None:
            return True
        try:
            await self._token.headers()
            may = not lacking(self._wanted, self._token.granted or "")
        except SourceUnavailable as error:
            if not error.refused:
                raise
            may = False
        if not may and not self._blind:
            reason = f"no scope {' '.join(self._wanted)}: whether the server still notifies cannot be seen"
            _log.warning("capability missing", source=self._source, stream="Subscription", reason=reason)
        self._blind = not may
        return may

    async def _lost(self, intake: Intake, before: Watched) -> Watched:
        """Ask for the events whose notifications did not arrive, once for each gap."""
        cursor = await intake.cursor(STREAM)
        told = numbers(cursor) if cursor else {}
        for name in [one.removesuffix(MISSED) for one in told if one.endswith(MISSED)]:
            first, last, found = told[name + MISSED], told.get(name, 0), _ID.fullmatch(name)
            secured = before.secured.get(name, 0)
            if (secured <= last and first <= secured) or found is None:  # lower ones are new: they began again
                continue
            items, findings = (cut := await self._past(found[1], first, last)).items, cut.findings
            before = structs.replace(before, secured=before.secured | {name: last})
            await intake.accept(items, stream=self.name, cursor=before.text, findings=findings)
        return before

    async def _past(self, id: str, first: int, last: int) -> Cut:
        """The events of these numbers; none where the server keeps them no more, for polling brings them too."""
        query = {"eventsSinceNumber": str(first), "eventsUntilNumber": str(last), "content": "full-resource"}
        url = URL(self._config.base_url or "") / "Subscription" / id / "$events"
        try:
            return await self._client.get(url.with_query(query), cut_bundle)
        except SourceUnavailable as error:
            if not error.refused:
                raise
            return cut_bundle(b'{"resourceType":"Bundle"}')


def _silent(one: Subscription, before: Watched) -> bool:
    """Whether it tells us nothing: ended, or still waiting for its handshake since the last look."""
    return one.status not in LIVE or (one.status == "requested" and one.id in before.waiting)


def _gone() -> Finding:
    return Finding(
        reason="subscription-ended", what="A Subscription of ours is no longer at the server", where="Subscription",
        fix="Unless it was ended on purpose, make it anew with `gateway fhir subscribe`.",
    )  # fmt: skip
