"""One route to Twilio: a text or a call per reminder that is due, and nothing twice."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp

from gateway.errors import RetryLater
from gateway.model.due import due
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway.model.reminder import Reminder
from gateway.transport.egress import Answer, Egress
from gateway.transport.in_order import in_order
from gateway.transport.once import Once
from gateway_twilio.translate_request import call_form, context, encoded, found, outcome, text_form

_SKEW = timedelta(minutes=5)


class Messenger:
    """The sink of one route.

    Args:
        texts: the way to ``Messages.json``.
        calls: the way to ``Calls.json``, None when no calls are made.
        user: account or API key SID.
        secret: its token or secret.
        sender: ``From`` or ``MessagingServiceSid``; empty when no texts are sent.
        voice: number that calls come from.
        hook: public address of the source's hooks; empty without.
        concurrency: most requests at one time.
    """

    def __init__(
        self, texts: Egress, calls: Egress | None, *, user: str, secret: str, sender: Mapping[str, str], voice: str,
        hook: str, concurrency: int,
    ) -> None:  # fmt: skip
        self._texts = texts
        self._calls = calls
        self.endpoint = texts.endpoint
        self._sender = sender
        self._voice = voice
        self._hook = hook
        credentials = base64.b64encode(f"{user}:{secret}".encode()).decode()
        self._headers = {"authorization": f"Basic {credentials}", "accept": "application/json"}
        self._channels = frozenset(({"sms"} if sender else set()) | ({"voice"} if calls else set()))
        self._turns = asyncio.Semaphore(concurrency)
        self._once = Once()

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Send what is due, one after another for each patient."""
        return await in_order(dispatch.deliveries, self._send, self._turns)

    async def probe(self, delivery: Delivery) -> Outcome:
        """Read the list of messages; a call is never made again, for there is nothing to recognise it by."""
        reminder = due(delivery, self._channels, datetime.now(UTC))
        if not isinstance(reminder, Reminder):
            return reminder
        if reminder.channel != "sms":
            return Rejected("call-outcome-unknown")
        since = datetime.fromisoformat(delivery.at) - _SKEW
        query = {"To": reminder.to or "", "DateSent>": f"{since.astimezone(UTC):%Y-%m-%d}", "PageSize": "100"}
        try:
            answer = await self._texts.get(query, self._headers)
        except (aiohttp.ClientError, RetryLater, OSError):
            return Ambiguous("list-not-read")
        if answer.status != 200 or not answer.whole:
            return Ambiguous(f"list-http-{answer.status}")
        happened = found(answer.body, reminder, since, context("message", delivery, reminder))
        return self._once.note(delivery, happened) if happened else Retry("not-sent")

    async def close(self) -> None:
        """Close every connection."""
        await self._texts.close()
        if self._calls is not None:
            await self._calls.close()

    async def _send(self, delivery: Delivery) -> Outcome:
        known = self._once.known(delivery)
        if known is not None:
            return known
        reminder = due(delivery, self._channels, datetime.now(UTC))
        if not isinstance(reminder, Reminder):
            return reminder
        made = await self._post(reminder)
        if not isinstance(made, Answer):
            return made
        kind = "message" if reminder.channel == "sms" else "call"
        result = outcome(made.status, made.headers, made.body, context(kind, delivery, reminder))
        return self._once.note(delivery, result) if isinstance(result, Delivered) else result

    async def _post(self, reminder: Reminder) -> Answer | Outcome:
        headers = {**self._headers, "content-type": "application/x-www-form-urlencoded"}
        try:
            if reminder.channel == "voice" and self._calls is not None:
                form = call_form(reminder, self._voice, self._hook)
                return await self._calls.post(encoded(form), headers)
            form = text_form(reminder, self._sender, self._hook, datetime.now(UTC))
            return await self._texts.post(encoded(form), headers)
        except RetryLater:
            return Retry("address-not-public")
        except aiohttp.ClientConnectorError:
            return Retry("no-connection")
        except (aiohttp.ClientError, OSError):
            return Ambiguous("no-answer")
