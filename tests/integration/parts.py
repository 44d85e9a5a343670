"""A whole gateway of real parts for one tenant, with a source whose messages say in JSON what they mean.

Nothing here stands in for the gateway's own parts: keystore, store, audit log and vault are the real ones. What is made
for the tests is what the gateway meets outside: a source's messages, and sinks that answer as they are told.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, update

from gateway.access import View
from gateway.audit import AuditLog, AuditReport, FileWitness, Sequencer, Signer, verify_audit
from gateway.errors import InvalidContent
from gateway.flow.deliver import Deliverer
from gateway.flow.derived import Reaction
from gateway.flow.dispatch import Route
from gateway.flow.gather import Gatherer
from gateway.flow.handoff import Handoff
from gateway.flow.ledger import Ledger, recount_tenant
from gateway.flow.normalize import Normalizer
from gateway.flow.react import Deriver
from gateway.flow.receive import Receiver
from gateway.flow.route import Filter
from gateway.flow.source import Origin, Source
from gateway.flow.texts import Text, keep_texts
from gateway.hookspecs import Adapter, OpenSink, Reactor
from gateway.mapping import Mapping
from gateway.model.exchange import HELD, Delivered, Delivery, Dispatch, Finding, Item, Outcome, Receipt, SinkInfo
from gateway.model.identity import Ref
from gateway.model.patch import Normalized, Patch
from gateway.registry import Registry
from gateway.store import journal, messages
from gateway.store.opening import Store, open_store
from gateway.store.schema import waiting
from gateway.vault import Keystore, Vault
from tests.embedded import make_migrated
from tests.waiting import PATIENCE

TENANT = "northside"
FAR = 1e9
"""Seconds of a schedule for what shall not come again while a test runs: of what is drawn evenly below an hour, one in
some hundreds is over before a busy machine is through."""
VIEW = View("plain", {"Patient": ["name", "language"], "Appointment": ["start", "status", "patient", "reason"]})
NO_CONFIG: Any = None
"""The test source has no settings: nothing of the flow looks at them."""

# --- messages of the test source ---------------------------------------------------------------------------------


def patient(native_id: str, family: str | None = None, *, version: str | None = None, **fields: Any) -> dict[str, Any]:
    """A patient's record as the test source tells it; ``None`` among ``fields`` deletes."""
    named = {"name": {"family": family}} if family is not None else {}
    return {
        "type": "Patient", "native_id": native_id, "patient": native_id, "fields": named | fields,
        "source_version": version,
    }  # fmt: skip


def appointment(
    native_id: str, of: str, *, status: str = "booked", version: str | None = None, **fields: Any
) -> dict[str, Any]:
    """An appointment of the patient ``of``."""
    told = {"start": "2026-03-02T09:30:00-06:00", "status": status, "patient": {"ref": ["Patient", of]}}
    return {
        "type": "Appointment", "native_id": native_id, "patient": of, "fields": told | fields,
        "source_version": version,
    }  # fmt: skip


def merged(prior: str, into: str) -> dict[str, Any]:
    """The patient ``prior`` turned out to be ``into``."""
    return {"type": "Patient", "native_id": prior, "patient": prior, "operation": "merge", "into": into}


def removed(kind: str, native_id: str, of: str | None = None) -> dict[str, Any]:
    """A record that the source deleted."""
    return {"type": kind, "native_id": native_id, "patient": of, "operation": "remove"}


def message(
    *patches: dict[str, Any], control: str = "", key: str | None = None, told: dict[str, Any] | None = None, **more: Any
) -> Item:
    """One message of the test source; by default its order key is the first patch's patient, as PID-3 is in HL7.

    ``told`` is what else the message says: ``fault``, ``suppressed``, ``residue``. Without ``control``, equal messages
    have equal control ids.
    """
    body = json.dumps({"patches": patches} | (told or {})).encode()
    order_key = key if key is not None else next((patch.get("patient") for patch in patches), None)
    name = control or hashlib.sha256(body).hexdigest()[:20]
    return Item(body=body, kind="told", control_id=name, order_key=order_key, **more)


def normalize(body: bytes, context: bytes) -> Normalized:
    """The test source's pure function. ``fault`` makes it fail the way an adapter can."""
    told = json.loads(body)
    fault = told.get("fault")
    if fault == "content":
        raise InvalidContent("unknown-code", "A code is in no table", where="told", fix="Add the code to the table.")
    if fault == "defect":
        raise ZeroDivisionError
    if fault == "needs-context" and not context:
        raise InvalidContent("no-envelope", "The envelope is missing", where="context")
    if "suppressed" in told:
        return Normalized(suppressed=told["suppressed"])
    patches = tuple(Patch(**{**patch, "fields": _canonical(patch.get("fields", {}))}) for patch in told["patches"])
    return Normalized(patches=patches, residue=tuple(told.get("residue", ())))


def _canonical(fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict) and "ref" in value:
            found[name] = Ref(*value["ref"])
        elif name in {"start", "end"} and isinstance(value, str):
            found[name] = datetime.fromisoformat(value)
        else:
            found[name] = value
    return found


# --- the gateway around it ---------------------------------------------------------------------------------------


@dataclass
class Place:
    """Where one gateway keeps its things: a folder, and a database beside it when it is not embedded."""

    folder: Path
    url: str

    def keystore(self) -> Keystore:
        """The real keystore, made on first use, under a root key file."""
        provider = Registry.load(["keys-file"]).key_providers["file"]
        config = provider.config.model_validate({"path": self.folder / "root.key"})
        path = self.folder / "keystore.db"
        if path.exists():
            return Keystore(path, provider, config)
        provider.create(config)
        return Keystore.create(path, provider, config)

    def open(self, **options: Any) -> Parts:
        """Open all parts, as a process does at its start."""
        keystore = self.keystore()
        if self.url == "embedded" and not (file := self.folder / "data" / "gateway.db").exists():
            make_migrated(file, keystore.database_key())
        store = open_store(self.url, None, self.folder / "data", keystore.database_key)
        store.start()
        return Parts(self, keystore, store, **options)


@dataclass
class Parts:
    """One process's parts; ``reopen`` is what a restart is."""

    place: Place
    keystore: Keystore
    store: Store
    handoff_bytes: int = 2**22
    most_unsettled: int = 100_000
    audit: AuditLog = field(init=False)
    vault: Vault = field(init=False)
    handoff: Handoff = field(init=False)
    sources: dict[tuple[str, str], Origin] = field(init=False)
    normalizer: Normalizer = field(init=False)

    def __post_init__(self) -> None:
        self.audit = AuditLog(self.store)
        self.vault = Vault(self.keystore, self.audit.is_committed)
        self.handoff = Handoff(self.handoff_bytes)
        self.sources = {(TENANT, "told"): told()}
        self.store.write_sync(self._prepare)
        self.normalizer = self.normalizing()

    def _prepare(self, connection: Connection) -> None:
        journal.ensure_lanes(connection, TENANT)
        texts: list[Text] = [
            (source.mapping_hash, "mapping", f"mapping of {source.name}") for source in self.sources.values()
        ]
        keep_texts(connection, self.audit, [TENANT], [*texts, (bytes.fromhex(VIEW.version), "view", VIEW.text)])

    def close(self) -> None:
        """End as a process that is told to."""
        self.store.close()
        self.keystore.close()

    def reopen(self) -> Parts:
        """Start again with nothing but what was stored."""
        self.close()
        return self.place.open(handoff_bytes=self.handoff_bytes, most_unsettled=self.most_unsettled)

    def make_due(self, patient: str) -> None:
        """Let the deliveries of this patient that wait for another attempt be due now, as if their time had passed."""
        mine = waiting.c.tenant == TENANT, waiting.c.order_key == self.record("Patient", patient)
        self.store.write_sync(lambda connection: connection.execute(update(waiting).where(*mine).values(due_at=0)))

    def normalizing(self, changed: Callable[[str], None] = lambda tenant: None) -> Normalizer:
        """A normalizer whose thread is not started: the test takes its steps."""
        return Normalizer(self.sources, self.store, self.vault, self.audit, self.handoff, changed)

    def reacting(self, reactor: Reactor, config: Any = NO_CONFIG, name: str = "counting") -> Deriver:
        """A configured reactor, ready to take steps."""
        reaction = Reaction(TENANT, name, reactor, config or reactor.config())
        self.sources[TENANT, reaction.name] = reaction
        self.store.write_sync(
            lambda c: keep_texts(c, self.audit, [TENANT], [(reaction.mapping_hash, "reactor", reaction.text)])
        )
        gatherer = Gatherer(reaction, self.store, self.vault, self.audit)
        return Deriver(reaction, gatherer, self.store, self.receiver(reaction.name))

    def receiver(self, source: str = "told", **limits: int) -> Receiver:
        """The intake of one source."""
        return Receiver(
            self.sources[TENANT, source], self.store, self.vault, self.audit, self.handoff,
            most_bytes=limits.get("most_bytes", 2**20), most_unsettled=self.most_unsettled,
        )  # fmt: skip

    async def accept(self, *items: Item, **more: Any) -> Sequence[Receipt]:
        """Store messages in one commit, as a poller or an import does."""
        return await self.receiver().accept(items, **more)

    async def submit(self, *items: Item) -> list[Receipt | Exception]:
        """Store messages one by one, as a listener does, and wait for all receipts."""
        receiver = self.receiver()
        answers: dict[int, Receipt | Exception] = {}
        told_all = asyncio.Event()

        def answer(at: int) -> Callable[[Receipt | Exception], None]:
            def done(receipt: Receipt | Exception) -> None:
                answers[at] = receipt
                if len(answers) == len(items):
                    told_all.set()

            return done

        for at, item in enumerate(items):
            receiver.submit(item, answer(at))
        await asyncio.wait_for(told_all.wait(), PATIENCE)
        return [answers[at] for at in range(len(items))]

    def settle(self) -> None:
        """Normalize everything that waits."""
        while True:
            while self.normalizer.step(TENANT):
                pass
            if not self.store.read_sync(lambda c: messages.pending_count(c, TENANT)):
                return
            self.handoff.fall_behind(TENANT)

    def take(self, *items: Item) -> Sequence[Receipt]:
        """Store and normalize messages."""
        receipts = asyncio.run(self.accept(*items))
        self.settle()
        return receipts

    def delivering(self, sink: OpenSink, **options: Any) -> Deliverer:
        """A route's deliverer; ``options`` are fields of :class:`Route`."""
        return Deliverer(replace(ROUTE, **options), sink, self.store, self.vault, self.audit)

    def ledger(self) -> Ledger:
        """The recount."""
        return self.store.read_sync(lambda connection: recount_tenant(connection, TENANT))

    def sequence(self) -> Signer:
        """Number and sign all of the audit log."""
        signer = Signer(TENANT, self.vault.signing_key(TENANT))
        witness = FileWitness(self.place.folder / "checkpoints")
        Sequencer(TENANT, signer, witness, interval=0.0).advance(self.store.write_sync)
        return signer

    def audited(self, connection: Connection) -> AuditReport:
        """The recount of the audit log as this connection sees it."""
        key = Signer(TENANT, self.vault.signing_key(TENANT)).public_key
        return verify_audit(connection, TENANT, [key], FileWitness(self.place.folder / "checkpoints").notes())

    def record(self, kind: str, native_id: str, source: str = "told") -> bytes:
        """The id of a record of the test source."""
        return UUID(self.vault.record_id(TENANT, source, kind, native_id)).bytes

    def history(self, kind: str, native_id: str) -> list[str]:
        """Kinds of the changes of one record."""
        wanted = self.record(kind, native_id)
        return [row.kind for row in self.store.read_sync(lambda c: journal.history(c, TENANT, wanted))]

    def outcomes(self, message_id: int) -> list[tuple[str, str]]:
        """(outcome, reason) of a message, first to last."""
        rows = self.store.read_sync(lambda c: messages.outcomes_of(c, TENANT, message_id))
        return [(row.outcome, row.reason) for row in rows]


def told(name: str = "told") -> Source:
    """The test source: its adapter is never asked and its mapping has no rule, only its pure function is asked."""
    return Source(
        TENANT,
        name,
        cast("Adapter", None),
        NO_CONFIG,
        Mapping.from_text("{}", lambda _: lambda _: None),
        normalize,
        "told/1",
        name.encode().ljust(32, b"\1"),
    )


# --- sinks ---------------------------------------------------------------------------------------------------------

SINK = SinkInfo(
    name="written", version="1", api=1, summary="answers as it is told", idempotency="native-key", residual_risk="",
    batch=16,
)  # fmt: skip
ROUTE = Route(
    TENANT, "desk", Filter(), VIEW, "operations", "front desk", halt=True, info=SINK, schedule=(0.0, 0.0, 0.0)
)
Answer = Callable[[Delivery], Outcome]


@dataclass
class Written:
    """A sink that keeps what it was sent. ``answer`` decides; an exception it raises is the sink's own."""

    answer: Answer = lambda delivery: Delivered("ok")
    dispatches: list[Dispatch] = field(default_factory=list)
    effects: list[Delivery] = field(default_factory=list)
    """What really happened, in order: deliveries answered with ``Delivered``."""
    probed: list[Delivery] = field(default_factory=list)
    probe_answer: Answer = lambda delivery: Delivered("found")
    closed: bool = False

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Answer each delivery; what follows a failure of the same order is held, as every sink must."""
        self.dispatches.append(dispatch)
        outcomes: list[Outcome] = []
        stopped: set[str] = set()
        for delivery in dispatch.deliveries:
            outcome = HELD if delivery.order in stopped else self.answer(delivery)
            if isinstance(outcome, Delivered):
                self.effects.append(delivery)
            else:
                stopped.add(delivery.order)
            outcomes.append(outcome)
        return outcomes

    async def probe(self, delivery: Delivery) -> Outcome:
        """Say whether it happened."""
        self.probed.append(delivery)
        return self.probe_answer(delivery)

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def sent(self) -> list[str]:
        """Keys of all deliveries in the order in which they were offered."""
        return [delivery.key for dispatch in self.dispatches for delivery in dispatch.deliveries]

    def by_order(self) -> dict[str, list[tuple[str, int]]]:
        """Effects per patient: (record, version) in order."""
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for delivery in self.effects:
            found[delivery.order].append((delivery.record_id, delivery.version))
        return found


async def drain(deliverer: Deliverer, steps: int = 10_000) -> None:
    """Take steps until the route has nothing to do now."""
    for _ in range(steps):
        if await deliverer.step() is None:
            return
    raise AssertionError("the route never came to rest")


def deliver_all(deliverer: Deliverer) -> None:
    """Start a route and deliver what can be delivered."""

    async def run() -> None:
        await deliverer.recover()
        await drain(deliverer)

    asyncio.run(run())


def findings(*texts: str) -> Iterable[Finding]:
    """Parts of a file that are no message."""
    return [Finding(reason="not-a-message", what="Cannot be cut", where="byte 0", body=text.encode()) for text in texts]
