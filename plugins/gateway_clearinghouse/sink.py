"""One route to a clearinghouse: builds each submission's document and sends it under one control number.

A document that was sent is not sent again when nothing in it changed. A claim that changed after it was sent waits for
a person: payers take a correction of what they decided only as a replacement (frequency 7) that names their number of
the first; what never came so far goes once more when somebody says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from gateway.errors import InvalidContent, RetryLater
from gateway.model.exchange import HELD, Ambiguous, Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway.model.submission import Submission, SubmissionKind
from gateway.wire.json_decoder import decoder
from gateway.wire.x12_write import Envelope, TransactionSet, interchange
from gateway_clearinghouse.config import ClearinghouseConfig, Setup
from gateway_clearinghouse.sink_directory import Directory
from gateway_clearinghouse.sink_memory import KEPT_TYPES, Memory
from gateway_clearinghouse.translate_270 import eligibility
from gateway_clearinghouse.translate_276 import claim_status
from gateway_clearinghouse.translate_278 import authorization
from gateway_clearinghouse.translate_837 import claim
from gateway_clearinghouse.translate_acknowledgement import Content, acknowledgement
from gateway_clearinghouse.translate_answer import messages, verdict
from gateway_clearinghouse.translate_parties import Document, Parties

DOCUMENTS = frozenset({"Submission", "FollowUp"})
"""Record types that become documents; a follow-up is a submission that another reactor makes."""

_BUILDERS: dict[SubmissionKind, Callable[[Submission, Parties, datetime], Document]] = {
    "claim": claim,
    "eligibility": eligibility,
    "claim-status": claim_status,
    "authorization": authorization,
}
_read = decoder(Submission)


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One interchange ready to go."""

    key: str
    """Of the delivery."""
    kind: SubmissionKind
    control: int
    name: str
    """File name."""
    payload_type: str
    payload_id: str
    """UUID of the payload in CORE: the same for every attempt under one control number."""
    sender: str
    receiver: str
    data: bytes
    document: str
    """Which document it is, whatever it says; a claim and its replacement are two."""
    digest: str
    """Of what it says."""
    at: datetime
    """When it was first built: the journal's time of the change, so every attempt has the same bytes."""


class Way(Protocol):
    """How parcels get there; answers are interchanges that came back at once."""

    async def send(self, parcels: Sequence[Parcel]) -> Sequence[Sent]:
        """Send in order, one result each."""

    async def find(self, parcel: Parcel) -> Sent:
        """Whether an ambiguous parcel arrived."""

    async def close(self) -> None:
        """Let go of connections."""


Sent = tuple[str, bytes] | Retry | Rejected | Ambiguous
"""Receipt and answer, or why not."""


class Clearinghouse:
    """The sink of one route."""

    def __init__(self, config: ClearinghouseConfig, setup: Setup, way: Way, memory: Memory) -> None:
        self._config = config
        self._setup = setup
        self._way = way
        self._memory = memory
        self._zone = ZoneInfo(config.zone)
        self._directory = Directory(config, setup, memory)

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Send the dispatch's submissions together; after one that did not go, the later ones of its order wait."""
        outcomes: dict[str, Outcome] = {}
        parcels: dict[str, tuple[Delivery, Parcel]] = {}
        blocked: set[str] = set()
        for one in dispatch.deliveries:
            made = HELD if one.order in blocked else self._prepare(one)
            if isinstance(made, Parcel):
                parcels[one.key] = one, made
                blocked.add(one.order)  # a later one of the same patient goes with the next dispatch
            else:
                outcomes[one.key] = made
                if not isinstance(made, Delivered):
                    blocked.add(one.order)
        results = await self._way.send([parcel for _, parcel in parcels.values()]) if parcels else ()
        for (one, parcel), sent in zip(parcels.values(), results, strict=True):
            outcomes[one.key] = self._settle(parcel, sent)
        return [outcomes[one.key] for one in dispatch.deliveries]

    async def probe(self, delivery: Delivery) -> Outcome:
        """Ask whether an ambiguous document arrived."""
        made = self._prepare(delivery)
        if isinstance(made, Retry):
            return Ambiguous(made.reason)  # what it was cannot be told now, so neither whether it arrived
        if not isinstance(made, Parcel):
            return made
        try:
            return self._settle(made, await self._way.find(made))
        except RetryLater as error:
            return Ambiguous(error.code)

    async def close(self) -> None:
        """Close connections and let go of the memory file."""
        await self._way.close()
        self._memory.close()

    def _prepare(self, one: Delivery) -> Parcel | Outcome:
        """Keep a record of the directory, or build a submission's interchange."""
        if one.type in KEPT_TYPES:
            if one.change != "removed":
                self._memory.keep(one.type, one.record_id, one.body)
            return Delivered("kept in the directory")
        if one.type not in DOCUMENTS or one.change in ("removed", "merged"):
            return Delivered("nothing to send")
        submission = _read(one.body)
        if submission.kind not in self._setup.takes:
            return Rejected(f"not-taken-by-{self._config.profile}")
        at = datetime.fromisoformat(one.at).astimezone(UTC)
        try:
            content = self._content(submission, at.astimezone(self._zone))
            return content if isinstance(content, Retry) else self._parcel(one, submission, content, at)
        except InvalidContent as error:
            return Rejected(f"{error.reason}: {error.where}")

    def _content(self, submission: Submission, at: datetime) -> Content | Retry:
        """What the interchange says."""
        if submission.kind == "acknowledgement":
            return acknowledgement(submission)
        parties = self._directory.parties(submission)
        if isinstance(parties, Retry):
            return parties
        document = _BUILDERS[submission.kind](submission, parties, at)
        one = TransactionSet(id=document.id, version=document.version, body=document.body)
        return Content(sets=(one,), said=document.said)

    def _parcel(self, one: Delivery, submission: Submission, content: Content, at: datetime) -> Parcel | Outcome:
        key, digest = _document_key(submission), content.digest
        known = self._memory.sent(key)
        if known == digest:
            return Delivered("unchanged since it was sent")
        if known is not None and submission.kind == "claim-status":
            return Delivered("asked before under this number")  # what is known of the claim by now changes no question
        correction = submission.claim is not None and submission.claim.frequency in ("7", "8")
        if known is not None and submission.kind == "claim" and not correction:
            return Rejected("changed-after-sending")
        control = self._memory.control(one.key)
        envelope = Envelope(
            sender=self._config.submitter_id, sender_qualifier=self._config.submitter_qualifier,
            receiver=self._setup.receiver_id, receiver_qualifier=self._config.receiver_qualifier,
            control=control, made=at.astimezone(self._zone), production=self._config.production,
        )  # fmt: skip
        envelope = msgspec.structs.replace(envelope, **content.addressed)
        extension = self._setup.extensions.get(submission.kind, "x12")
        id = hashlib.sha256(f"{one.key}/{control}".encode()).hexdigest()
        return Parcel(
            key=one.key, kind=submission.kind, control=control, at=at,
            data=interchange(envelope, content.sets, ta1=content.ta1), document=key,
            digest=digest,
            name=self._config.file_name.format(kind=submission.kind, control=f"{control:09d}", extension=extension),
            payload_type=self._setup.payload_types[submission.kind],
            payload_id=f"{id[:8]}-{id[8:12]}-4{id[13:16]}-8{id[17:20]}-{id[20:32]}",
            sender=envelope.sender, receiver=envelope.receiver,
        )  # fmt: skip

    def _settle(self, parcel: Parcel, sent: Sent) -> Outcome:
        """What became of a parcel; one that arrived is remembered before anybody is told."""
        outcome = verdict(*sent) if isinstance(sent, tuple) else sent
        if isinstance(outcome, Rejected):  # the receiver knows the number: once released, it would look like a repeat
            self._memory.renumber(parcel.key)
        if not isinstance(outcome, Delivered):
            return outcome
        self._memory.note_sent(parcel.document, parcel.digest)
        if parcel.kind != "claim" or not self._config.keep_copies:
            return outcome
        # The copy says under which numbers a claim travelled; it comes before what answers to them.
        return msgspec.structs.replace(outcome, answers=(*messages(parcel.data), *outcome.answers))


def _document_key(submission: Submission) -> str:
    """A claim and its replacement are two documents, and so is each time that somebody has it sent once more."""
    frequency = submission.claim.frequency if submission.claim else ""
    text = f"{submission.kind}/{submission.control_number}/{frequency or '1'}"
    if submission.again is not None:
        text += f"/{submission.again.astimezone(UTC).isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()
