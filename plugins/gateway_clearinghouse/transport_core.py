"""Parcels to a CAQH CORE service: questions in real time, claims as batches, each under one payload id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp

from gateway.errors import MalformedEnvelope, RetryLater
from gateway.model.exchange import Ambiguous, Rejected, Retry
from gateway.model.submission import SubmissionKind
from gateway.transport.budget import RateWindow
from gateway.transport.egress import Answer, Egress
from gateway_clearinghouse import translate_core
from gateway_clearinghouse.sink import Parcel, Sent
from gateway_clearinghouse.translate_core import Action, Core, read

UNAUTHORIZED_WAIT = 300.0
"""Seconds: services lock accounts after a few wrong passwords."""

_THEIRS = frozenset({"Receiver", "Fault", "Other"})
"""Error codes that say nothing against the request: the service failed, perhaps after it took the document."""
_ACTIONS: dict[SubmissionKind, Action] = {
    "claim": "BatchSubmitTransaction",
    "eligibility": "RealTimeTransaction",
    "claim-status": "RealTimeTransaction",
    "authorization": "RealTimeTransaction",
    "acknowledgement": "BatchResultsAckSubmitTransaction",
}
_RECEIPT_TYPE = "X12_BatchReceiptConfirmation"


class CoreService:
    """One service at one URL, in one of the two forms."""

    def __init__(
        self, egress: Egress, budget: RateWindow, *, soap: bool, user: str, password: str, unknown: str
    ) -> None:
        self._egress = egress
        self._budget = budget
        self._write = translate_core.soap if soap else translate_core.mime
        self._user = user
        self._password = password
        self._unknown = Rejected(f"core-{unknown}")  # the answer to a question about a batch that it does not know

    async def send(self, parcels: Sequence[Parcel]) -> Sequence[Sent]:
        """One exchange for each."""
        return [await self._send(parcel) for parcel in parcels]

    async def _send(self, parcel: Parcel) -> Sent:
        return await self._exchange(parcel, _ACTIONS[parcel.kind], parcel.payload_type, parcel.data)

    async def find(self, parcel: Parcel) -> Sent:
        """Ask for a batch's receipt; a question in real time is harmless to ask again, under the same numbers."""
        if parcel.kind != "claim":
            return Retry("ask-again")
        found = await self._exchange(parcel, "BatchSubmitAckRetrievalTransaction", _RECEIPT_TYPE, None)
        if found == self._unknown:
            return Retry("not-received")
        # A question that got no answer, or a refusal of the question itself, says nothing about the batch.
        return Ambiguous(f"receipt-unknown-{found.reason}") if isinstance(found, Retry | Rejected) else found

    async def close(self) -> None:
        """Close every connection."""
        await self._egress.close()

    async def _exchange(self, parcel: Parcel, action: Action, payload_type: str, payload: bytes | None) -> Sent:
        message = Core(
            action=action, payload_type=payload_type, payload_id=parcel.payload_id,
            timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", sender=parcel.sender, receiver=parcel.receiver,
            payload=payload,
        )  # fmt: skip
        headers, body = self._write(message, self._user, self._password)
        try:
            async with self._budget.slot():
                answer = await self._egress.post(body, headers)
        except RetryLater:
            return Retry("address-not-public")
        except aiohttp.ClientConnectorError:
            return Retry("no-connection")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Ambiguous("connection-broken")
        return _meaning(parcel, answer)


def _meaning(parcel: Parcel, answer: Answer) -> Sent:
    """A reply, or what the HTTP status alone says."""
    if answer.status in (401, 403):
        return Retry("unauthorized", UNAUTHORIZED_WAIT)
    if answer.status == 429:
        after = answer.headers.get("retry-after", "")
        return Retry("rate-limited", float(after) if after.isdecimal() and len(after) < 6 else None)
    try:
        reply = read(answer.headers.get("content-type", ""), answer.body)
    except MalformedEnvelope as error:
        # Some services tell errors as a web page with status 200; a cut answer reads the same.
        # What a server or one before it says that it failed at (5xx) may have been done all the same.
        theirs = answer.status == 200 or answer.status >= 500
        return Ambiguous(error.reason) if theirs else Retry(f"http-{answer.status}")
    if reply.error == "Success":
        if reply.payload_id and reply.payload_id != parcel.payload_id:
            return Ambiguous("another-payload-id")
        return f"CORE {parcel.payload_id}", reply.payload
    if reply.error == "UnAuthorized":
        return Retry("unauthorized", UNAUTHORIZED_WAIT)
    return Ambiguous(f"core-{reply.error}") if reply.error in _THEIRS else Rejected(f"core-{reply.error}")
