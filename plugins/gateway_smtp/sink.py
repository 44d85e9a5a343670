"""One route to a mail server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.model.due import due
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome
from gateway.model.reminder import Reminder
from gateway.transport.in_order import in_order
from gateway.transport.once import Once
from gateway.wire.mail import link, told
from gateway_smtp.config import SmtpConfig
from gateway_smtp.translate import message
from gateway_smtp.transport import Refused, Submission

_CHANNELS = frozenset({"email"})


class Mailer:
    """The sink of one route; ``secret`` marks links, and is empty where none are made."""

    def __init__(self, config: SmtpConfig, submission: Submission, secret: str) -> None:
        self._config = config
        self.endpoint = f"{config.host}:{config.port}"
        self._submission = submission
        self._secret = secret
        self._turns = asyncio.Semaphore(config.concurrency)
        self._once = Once()

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Send what is due, one after another for each patient."""
        return await in_order(dispatch.deliveries, self._send, self._turns)

    async def probe(self, delivery: Delivery) -> Outcome:
        """A mail server cannot be asked what it took."""
        del delivery
        return Ambiguous("cannot-be-found-out")

    async def close(self) -> None:
        """Nothing stays open between messages."""

    async def _send(self, delivery: Delivery) -> Outcome:
        known = self._once.known(delivery)
        if known is not None:
            return known
        now = datetime.now(UTC)
        reminder = due(delivery, _CHANNELS, now)
        if not isinstance(reminder, Reminder):
            return reminder
        base = self._config.unsubscribe_url
        made = message(
            delivery, reminder, sender=self._config.sender, name=self._config.sender_name, now=now,
            link=link(base, self._secret, reminder.patient or "") if base and self._secret else "",
        )  # fmt: skip
        try:
            answer = await asyncio.to_thread(self._submission.send, made)
        except Refused as refused:
            failed = told(delivery, reminder, now.isoformat(timespec="seconds"), f"smtp-{refused}")
            return self._once.note(delivery, Delivered(f"refused {refused}", (failed,)))
        if isinstance(answer, str):
            sent = Delivered(answer, (told(delivery, reminder, now.isoformat(timespec="seconds")),))
            return self._once.note(delivery, sent)
        return answer
