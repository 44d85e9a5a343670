"""The values that adapters, the core and sinks hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import msgspec

from gateway.model.identity import RecordId

# --- from an adapter to the core -------------------------------------------------------------------------------------


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of material an adapter can bring, and how it stays current."""

    name: str
    types: tuple[str, ...]
    """Canonical record types it yields."""
    mode: Literal["push", "poll", "file"]


class RateBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor allows: ``requests`` within any ``seconds``, counted per credential."""

    requests: int
    seconds: float


class AdapterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter is, can give and cannot give; shown by ``gateway adapters``."""

    name: str
    version: str
    api: int
    """The :data:`gateway.hookspecs.API_VERSION` it was written for."""
    summary: str
    streams: tuple[Stream, ...]
    gaps: tuple[str, ...] = ()
    """What the system cannot give, in words for the user."""
    rate: RateBudget | None = None
    docs: str = ""
    """Where a user reads how to set it up: a page of the documentation, or an address."""


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as cut from arriving bytes, before it is stored."""

    body: bytes
    kind: str
    """What it is in the source's own words: ``SIU^S12``, ``patients``, ``835 claim``."""
    control_id: str
    """The source's id of this message, never of a patient; a repeat of it with equal bytes is the same message."""
    order_key: str | None
    """Messages with the same key are normalized in order of arrival; None puts it in the source's serial queue."""
    context: bytes = b""
    """Bytes of the envelope shared by many messages of one batch, which ``normalize`` needs to read this one."""
    offset: int = 0
    """Where the body begins in the file it came from."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a file that is not one message's fault, or bytes that could not be cut into messages."""

    reason: str
    what: str
    where: str
    fix: str = ""
    body: bytes = b""
    """The bytes concerned, kept as evidence in quarantine; empty when there are none."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The core's answer once a message is stored and synced."""

    message_id: int
    repeat: bool
    """True when the same control id with the same bytes had been stored before: the first answer stands."""
    conflict: bool
    """True when the same control id came before with other bytes: both are kept."""


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stored message."""

    outcome: Literal["normalized", "suppressed", "quarantined"]
    reason: str = ""
    place: str = ""
    fix: str = ""


class Intake(Protocol):
    """What a transport may ask of the core. Nothing is acknowledged to a peer before a receipt is there."""

    def submit(self, item: Item, done: Callable[[Receipt | Exception], None]) -> None:
        """Store one message; ``done`` is called on the event loop after its commit was synced, or with the error."""

    async def accept(
        self, items: Sequence[Item], *, stream: str = "", cursor: str | None = None, findings: Sequence[Finding] = ()
    ) -> Sequence[Receipt]:
        """Store the messages of one page or file step, its findings, and the stream's new cursor in one commit."""

    async def fate(self, receipt: Receipt) -> Fate:
        """What became of a message at its first normalization, once that is committed; of a repeat, the first's."""

    async def cursor(self, stream: str) -> str | None:
        """The cursor that was committed last for this stream of this source."""

    def refuse(
        self, frame: bytes, answer: str, reason: str, where: str, done: Callable[[Exception | None], None]
    ) -> None:
        """Keep the evidence of bytes answered with AE or AR; ``done`` follows its commit."""


class Transport(Protocol):
    """A listener or poller of one source: runs until cancelled."""

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Bring messages in; raise only for what a person must fix.

        ``opened`` is called once, as soon as peers can reach a listener or a poller is about to ask: the gateway says
        that it is ready when all its transports have.
        """


class HookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request that a system outside sent to ``/hooks/<source>`` of the gateway's public port."""

    method: str
    path: str
    """What follows the source's name, without a leading slash."""
    query: str
    """As sent, not decoded."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: str
    """The public address the sender used, for signatures that cover it."""


class HookResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a hook request."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    changed: bool = False
    """Something changed that the request did not bring: the source's polled streams are asked soon."""


class HookReceiver(Protocol):
    """Takes what one system outside sends over HTTP to one source."""

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """Check who sent it, store it through ``intake``, and answer; a 2xx only after the receipt is there."""


# --- from the core to a reactor and back -----------------------------------------------------------------------------


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One record as a reactor sees it: its newest version."""

    type: str
    record_id: RecordId
    source: str
    version: int
    removed: bool
    """The record is gone at its source; ``record`` is its last content."""
    patient: RecordId | None
    at: str
    """When the journal took this version: ISO 8601, UTC."""
    observed_at: str
    """How fresh its source was: when the message behind it arrived, ISO 8601, UTC."""
    record: msgspec.Struct
    """The canonical value, of the type named by ``type``."""


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """One record that a reactor makes."""

    type: str
    native_id: str
    """Unique within the reactor and the type, and the same each time the same thing is derived."""
    fields: Mapping[str, object]
    """Canonical field values; references are record ids."""
    patient: RecordId | None = None
    """Whose lane it belongs to."""


class Derivation(msgspec.Struct, frozen=True, kw_only=True):
    """All that follows from one group of records, now.

    What an earlier derivation of the group made and this one leaves out is removed.
    """

    records: tuple[Derived, ...] = ()
    again: datetime | None = None
    """When to derive this group again though nothing changed; None when only a change can change the answer."""


class ReactorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a reactor is; shown by ``gateway adapters``."""

    name: str
    version: str
    api: int
    summary: str
    reads: frozenset[str]
    """Record types that it is shown."""
    writes: frozenset[str]
    """Record types that it makes; none of those it reads."""
    joins: frozenset[str] = frozenset()
    """Types of which one record joins all groups it is in: each of them is derived from the members of them all."""
    docs: str = ""
    """Where a user reads how to set it up: a page of the documentation, or an address."""


# --- from the core to a sink -----------------------------------------------------------------------------------------

ChangeKind = Literal["created", "updated", "removed", "merged"]


class Raw(msgspec.Struct, frozen=True):
    """A message as received: its kind, its bytes, and those of the envelope it was cut from."""

    kind: str
    body: bytes
    context: bytes


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one record, as one route may see it."""

    key: str
    """Idempotency key of the business effect; the same for every attempt, after crashes and replays too."""
    change: ChangeKind
    type: str
    record_id: str
    order: str
    """Opaque; deliveries with the same value must go one after another, and the rest of them waits when one fails."""
    version: int
    at: str
    """When the journal took the change: ISO 8601, UTC."""
    source: str
    observed_at: str
    """How fresh the source was: when the message behind this change arrived, ISO 8601, UTC."""
    fields: tuple[str, ...]
    """Names of the fields in ``body``: what was disclosed."""
    body: bytes
    """JSON object with the granted fields only."""
    native_id: str | None = None
    """The id that the system written to gave to the record that :attr:`SinkInfo.native` means."""
    raw: tuple[Raw, ...] = ()
    """What the record was made of, and the parts of that, where the view grants it and :attr:`SinkInfo.raw` asks."""


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries handed to a sink together. After a crash the same id comes again with the same deliveries."""

    id: str
    route: str
    deliveries: tuple[Delivery, ...]


class Delivered(msgspec.Struct, frozen=True, tag=True):
    """It happened; ``receipt`` is the peer's own evidence (a status, an id, a file name and digest)."""

    receipt: str
    answers: tuple[Item, ...] = ()
    """What the peer answered with: stored as messages of the source that the route names, before the receipt is."""
    told: tuple[str, ...] | None = None
    """Names of the fields that really left, where they are fewer than the delivery held: what is disclosed."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a client that subscribed over HTTP is told of changes."""

    url: str
    secrets: tuple[str, ...]
    """Signing secrets by the Standard Webhooks form; each signs."""
    content: Literal["full", "thin", "empty"]
    """The granted fields, ids alone, or nothing but that something changed."""
    authorization: str = ""
    """Value of the header ``Authorization`` that the client's endpoint wants; empty for none."""
    allow_loopback: bool = False


class Retry(msgspec.Struct, frozen=True, tag=True):
    """It did not happen and may succeed later, not before ``after`` seconds when the peer named a time."""

    reason: str
    after: float | None = None


HELD = Retry("held")
"""For a delivery that was not tried because one before it, of the same order, did not succeed."""


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """It will never succeed as it is; for the reason ``endpoint-gone`` nothing else sent there will either."""

    reason: str


class Ambiguous(msgspec.Struct, frozen=True, tag=True):
    """It may have happened: the core probes before it tries again."""

    reason: str


Outcome = Delivered | Retry | Rejected | Ambiguous


@runtime_checkable
class Reaching(Protocol):
    """What an open sink is as well when other routes may lead to the same peer: they rest together when it fails."""

    endpoint: str
    """The peer: host and port. It never leaves the process as it is."""


class SinkInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink is and how it is made idempotent; shown by ``gateway adapters``."""

    name: str
    version: str
    api: int
    summary: str
    idempotency: Literal["native-key", "probe", "none"]
    residual_risk: str
    """In words: what can still go wrong twice."""
    batch: int = 1
    """How many deliveries one dispatch may carry."""
    linger: float = 0.0
    """Seconds the core may wait to fill a dispatch."""
    native: tuple[tuple[str, str], ...] = ()
    """Record types with which it must be told a system's own id: of the record that the field beside refers to, or of
    the record itself where that is empty. Told only where view and route agree; without one nothing is sent."""
    raw: bool = False
    """Whether it takes messages as received, where the view grants them."""
    docs: str = ""
    """Where a user reads how to set it up: a page of the documentation, or an address."""


# --- from the core to a witness of the audit log ---------------------------------------------------------------------


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """A signed head of one tenant's audit log; it holds no patient data."""

    origin: str
    size: int
    """Entries it stands for."""
    note: str
    """The head in C2SP's checkpoint form, signature and all."""
    prove: Callable[[int], Sequence[bytes]]
    """The consistency proof that this head continues the log of an older size, by RFC 6962."""
