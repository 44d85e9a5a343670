"""One endpoint: deliveries of one order go one after another, the others side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp

from gateway.errors import RetryLater
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.egress import Egress
from gateway.transport.in_order import in_order
from gateway_webhook.translate import message_id, outcome, payload, signed, told


class Endpoint:
    """One route's receiver."""

    def __init__(
        self, egress: Egress, keys: Sequence[bytes], *, concurrency: int, content: str, authorization: str = ""
    ) -> None:
        self._egress = egress
        self.endpoint = egress.endpoint
        self._keys = keys
        self._content = content
        self._shown = {"Authorization": authorization} if authorization else {}
        self._turns = asyncio.Semaphore(concurrency)
        self._resume = 0.0
        """Monotonic time before which the receiver asked to be left alone."""

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Post the deliveries; after a failure the later ones of the same order are held."""
        return await in_order(dispatch.deliveries, self._post, self._turns)

    async def _post(self, delivery: Delivery) -> Outcome:
        left = self._resume - time.monotonic()
        if left > 0:
            return Retry("receiver-asked-to-wait", left)
        id, body = message_id(delivery), payload(delivery, self._content)
        headers = self._shown | signed(self._keys, id, int(time.time()), body)
        try:
            answer = await self._egress.post(body, headers)
        except (aiohttp.ClientError, RetryLater, OSError) as error:
            return Retry(_reason(error))
        result = outcome(answer.status, answer.headers, id, datetime.now(UTC))
        if isinstance(result, Retry) and result.after:
            self._resume = max(self._resume, time.monotonic() + result.after)
        if isinstance(result, Delivered):
            return Delivered(result.receipt, told=told(delivery, self._content))
        return result

    async def probe(self, delivery: Delivery) -> Outcome:
        """A receiver knows a repeat by its ``webhook-id``, so posting again is the probe."""
        return await self._post(delivery)

    async def close(self) -> None:
        """Close every connection."""
        await self._egress.close()


def _reason(error: Exception) -> str:
    """A stable word for why there was no answer; after each of them the same request is safe to repeat."""
    match error:
        case RetryLater():
            return "address-not-public"
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientSSLError():
            return "tls-failed"
        case aiohttp.ClientConnectorDNSError():
            return "name-not-found"
        case aiohttp.ClientConnectorError():
            return "no-connection"
        case _:
            return "connection-broken"
