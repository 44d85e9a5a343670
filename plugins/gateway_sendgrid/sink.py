"""One route to SendGrid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp
import msgspec

from gateway.errors import RetryLater
from gateway.model.due import due
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.model.reminder import Reminder
from gateway.transport.egress import Egress
from gateway.transport.in_order import in_order
from gateway.transport.once import Once
from gateway.wire.mail import link
from gateway_sendgrid.config import SendgridConfig
from gateway_sendgrid.translate import outcome, request

_CHANNELS = frozenset({"email"})
_encode = msgspec.json.Encoder().encode


class Mailer:
    """The sink of one route; ``secret`` marks links, and is empty where none are made."""

    def __init__(self, config: SendgridConfig, egress: Egress, key: str, secret: str) -> None:
        self._config = config
        self._egress = egress
        self.endpoint = egress.endpoint
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._secret = secret
        self._turns = asyncio.Semaphore(config.concurrency)
        self._once = Once()

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Send what is due, one after another for each patient."""
        return await in_order(dispatch.deliveries, self._send, self._turns)

    async def probe(self, delivery: Delivery) -> Outcome:
        """The API has no way to look a message up."""
        del delivery
        return Ambiguous("cannot-be-found-out")

    async def close(self) -> None:
        """Close every connection."""
        await self._egress.close()

    async def _send(self, delivery: Delivery) -> Outcome:
        known = self._once.known(delivery)
        if known is not None:
            return known
        now = datetime.now(UTC)
        reminder = due(delivery, _CHANNELS, now)
        if not isinstance(reminder, Reminder):
            return reminder
        config = self._config
        base = config.unsubscribe_url
        made = request(
            delivery, reminder, sender=config.sender, name=config.sender_name, sandbox=config.sandbox,
            link=link(base, self._secret, reminder.patient or "") if base and self._secret else "",
        )  # fmt: skip
        try:
            answer = await self._egress.post(_encode(made), self._headers)
        except RetryLater:
            return Retry("address-not-public")
        except aiohttp.ClientConnectorError:
            return Retry("no-connection")
        except (aiohttp.ClientError, OSError):
            return Ambiguous("no-answer")
        at = now.isoformat(timespec="seconds")
        result = outcome(answer.status, answer.headers, answer.body, delivery, reminder, at)
        return self._once.note(delivery, result) if isinstance(result, Delivered) else result
