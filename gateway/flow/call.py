"""Call: the seam to a route's sink. Whatever the sink does, every delivery of a dispatch has an outcome.

A sink whose API has no key of its own is asked before anything is sent that may have happened already: what was
ambiguous the last time, and all of a dispatch that a crash cut off. A sink that cannot be asked either is not called
again for it: a person decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec
import structlog

from gateway.errors import GatewayError
from gateway.flow.dispatch import Route
from gateway.hookspecs import OpenSink
from gateway.model.exchange import HELD, Ambiguous, Delivery, Dispatch, Outcome, Retry

SEND_SECONDS = 120.0

log = structlog.get_logger(__name__)


class Caller:
    """Calls the sink of one route."""

    def __init__(self, route: Route, sink: OpenSink) -> None:
        self._route = route
        self._sink = sink
        self._asked_first = route.info.idempotency != "native-key"
        self._probes = route.info.idempotency == "probe"

    async def send(self, dispatch: Dispatch, doubtful: AbstractSet[str]) -> Sequence[Outcome]:
        """Send a dispatch; one outcome per delivery, in order.

        Args:
            dispatch: what to send.
            doubtful: keys of deliveries that may have happened already.
        """
        if not self._asked_first or not (self._probes or doubtful):
            return await self._deliver(dispatch)
        told = {one.key: await self._probe(one) for one in dispatch.deliveries if one.key in doubtful}
        blocked: set[str] = set()
        clear: list[Delivery] = []
        for one in dispatch.deliveries:
            outcome = told.get(one.key)
            if isinstance(outcome, Ambiguous):
                blocked.add(one.order)
            elif outcome is None or isinstance(outcome, Retry):
                if one.order in blocked:
                    told[one.key] = HELD
                else:
                    clear.append(one)
        if clear:
            outcomes = await self._deliver(msgspec.structs.replace(dispatch, deliveries=tuple(clear)))
            for one, outcome in zip(clear, outcomes, strict=True):
                asked = self._probes and isinstance(outcome, Ambiguous)
                told[one.key] = await self._probe(one) if asked else outcome
        return [told[one.key] for one in dispatch.deliveries]

    async def ask(self, delivery: Delivery) -> Outcome | None:
        """Whether what shall not be sent any more was sent already; None where nobody can be asked.

        Only ``Retry`` and ``Rejected`` say that it was not.
        """
        return await self._probe(delivery) if self._asked_first else None

    async def _deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        most = len(dispatch.deliveries)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                outcomes = await self._sink.deliver(dispatch)
        except TimeoutError:
            return [Ambiguous("sink-timeout")] * most
        except GatewayError as error:
            return [Retry(error.code, getattr(error, "after", None))] * most
        except Exception as error:  # noqa: BLE001 - the seam to a sink: its defect may cost this dispatch only
            log.error("sink-failed", route=self._route.name, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
            return [Ambiguous(f"sink-error:{type(error).__name__}")] * most
        if len(outcomes) != most:
            return [Ambiguous("sink-answered-too-few")] * most
        return outcomes

    async def _probe(self, delivery: Delivery) -> Outcome:
        """Whether it happened; only the sink's own ``Retry`` says that it did not."""
        if not self._probes:
            return Ambiguous("interrupted")
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._sink.probe(delivery)
        except Exception as error:  # noqa: BLE001 - the seam to a sink: not knowing is an answer too
            return Ambiguous(f"probe-failed:{type(error).__name__}")
