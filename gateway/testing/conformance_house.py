"""A real embedded gateway in a temporary folder, in which an adapter's transports run against its simulators."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from gateway.bootstrap import Gateway, open_gateway
from gateway.errors import GatewayError, InvalidConfiguration
from gateway.flow.contents import open_contents
from gateway.flow.quarantine import held
from gateway.model.exchange import Fate, Finding, Intake, Item, Receipt
from gateway.settings import Settings
from gateway.settings import Source as SourceSettings
from gateway.store import journal
from gateway.testing.conformance_subject import Subject, laid_over, told_settings
from gateway.testing.simulation import Simulator, staged

TENANT = "certify"
SEED = 11
MOST = 100_000
_HOST, _LOOK = "127.0.0.1", 0.05
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Records = dict[tuple[str, str], tuple[str, int, bool]]
"""By type and native id: content, version, whether it is removed.

References stand in the content by native id, or as ``?`` where their target is not there: the ids of two sources differ
though they mean the same.
"""


class Head(NamedTuple):
    """How a record stands."""

    type: str
    version: int
    removed: bool


class Tapped:
    """The intake of a source that also remembers what it stored; a blind one has forgotten how far it was."""

    def __init__(self, intake: Intake, *, blind: bool = False) -> None:
        self._intake = intake
        self._blind = blind
        self.items: dict[bytes, Item] = {}
        """By digest of control id and bytes: repeats count once."""
        self.findings: list[Finding] = []
        self.repeats = 0
        """How many messages came that the core had already."""

    def submit(self, item: Item, done: Callable[[Receipt | Exception], None]) -> None:
        """Store one message."""

        def told(answer: Receipt | Exception) -> None:
            if isinstance(answer, Receipt):
                self._remember([item], [answer])
            done(answer)

        self._intake.submit(item, told)

    async def accept(
        self, items: Sequence[Item], *, stream: str = "", cursor: str | None = None, findings: Sequence[Finding] = (),
        **more: Any,
    ) -> Sequence[Receipt]:  # fmt: skip
        """Store a page or a step of a file."""
        receipts = await self._intake.accept(items, stream=stream, cursor=cursor, findings=findings, **more)
        self._remember(items, receipts)
        self.findings += findings
        return receipts

    async def fate(self, receipt: Receipt) -> Fate:
        """What became of a message."""
        return await self._intake.fate(receipt)

    async def cursor(self, stream: str) -> str | None:
        """How far the stream is."""
        return None if self._blind else await self._intake.cursor(stream)

    def refuse(
        self, frame: bytes, answer: str, reason: str, where: str, done: Callable[[Exception | None], None]
    ) -> None:
        """Keep the evidence."""
        self.findings.append(Finding(reason=reason, what="refused", where=where))
        self._intake.refuse(frame, answer, reason, where, done)

    def _remember(self, items: Sequence[Item], receipts: Sequence[Receipt]) -> None:
        self.repeats += sum(receipt.repeat for receipt in receipts)
        for item in items:
            self.items[hashlib.sha256(f"{item.control_id}\0".encode() + item.body).digest()] = item


@dataclass
class Scene:
    """One simulated clinic and the source that reads it."""

    name: str
    faults: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    """Settings over those that the others have."""
    simulator: Simulator | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    """How its transports ended, when they should not have."""
    tap: Tapped | None = None

    @property
    def items(self) -> list[Item]:
        """Every message that was stored, once."""
        return [] if self.tap is None else list(self.tap.items.values())

    def has(self, wanted: Iterable[Item], items: Iterable[Item] | None = None) -> bool:
        """Whether all these messages of another scene are here: under the same control ids, or with the same envelopes.

        An adapter may tell one look from the next in its control ids, or keep what it learnt on the way in envelopes.
        """
        wanted, found = list(wanted), list(self.items if items is None else items)
        same = {(one.control_id, one.body) for one in wanted} <= {(one.control_id, one.body) for one in found}
        return same or {(one.context, one.body) for one in wanted} <= {(one.context, one.body) for one in found}

    def counted(self, what: str) -> int:
        """A count of its simulator; 0 where it does not count."""
        stage = staged(self.simulator)
        return 0 if stage is None else stage.counted().get(what, 0)


class House:
    """The gateway and all scenes of one certification."""

    def __init__(self, subject: Subject, folder: Path, *, clinic_size: int, lingering: float) -> None:
        self.subject = subject
        self.folder = folder
        often = float(subject.settings.get("running", {}).get("poll_seconds", 0))
        self.lingering = max(lingering, 1.5 * often)
        """Seconds without news after which a clinic is taken to have arrived."""
        self._clinic_size = clinic_size
        self._serving: list[asyncio.Task[None]] = []
        self.gateway: Gateway

    async def act(self, scene: Scene) -> None:
        """Start a simulator of its own for this scene."""
        if self.subject.simulator is None:
            return
        scene.simulator = copy.copy(self.subject.simulator)
        if hasattr(scene.simulator, "seconds"):
            scene.simulator.seconds = 0.4  # a night, or a file, falls faster than at a clinic
        told: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(
            scene.simulator.serve(
                host=_HOST, port=0, seed=SEED, clinic_size=self._clinic_size, faults=scene.faults,
                opened=lambda settings: None if told.done() else told.set_result(settings),
            )
        )  # fmt: skip
        self._serving.append(serving)
        waited: set[asyncio.Future[Any]] = {serving, told}
        await asyncio.wait(waited, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            raise InvalidConfiguration("The simulator did not start", where=self.subject.name)
        place = self.folder / scene.name
        place.mkdir()
        config = told_settings(self.subject.adapter.config, told.result(), place)
        known = self.subject.settings
        acted = known.get("faults", {}).get("".join(scene.faults), {})
        for over in (known.get("running", {}), known.get("scenes", {}).get(scene.name, {}), acted, scene.more):
            config = laid_over(config, over)
        scene.settings = config

    def settings(self, scenes: Sequence[Scene]) -> Settings:
        """``gateway.toml`` with a source for each scene."""
        keys = {
            "keystore": self.folder / "keys/keystore.db", "shred_list": self.folder / "keys/shredded.list",
            "config": {"path": str(self.folder / "keys/root.key")},
        }  # fmt: skip
        return Settings.model_validate({
            "data": {"directory": self.folder / "data"}, "keys": keys, "tenants": [{"name": TENANT}],
            "log": {"level": "debug"},
            "sources": [
                SourceSettings(
                    name=scene.name, tenant=TENANT, adapter=self.subject.name, zone=self.subject.zone,
                    profile=self.subject.settings.get("profile"), drift=self.subject.settings.get("drift"),
                    config=scene.settings,
                )
                for scene in scenes
            ],
        })  # fmt: skip

    def open(self, scenes: Sequence[Scene]) -> None:
        """Open the gateway with these sources, and normalize from now on."""
        fresh = not (self.folder / "keys/keystore.db").exists()
        self.gateway = open_gateway(self.settings(scenes), self.folder, create=fresh)
        self._normalizer = self.gateway.normalizer(lambda _: None)
        self._normalizer.start()

    async def close(self) -> None:
        """Stop simulators and gateway."""
        for task in self._serving:
            task.cancel()
        await asyncio.wait(self._serving, timeout=10) if self._serving else None
        await self.shut()

    async def shut(self) -> None:
        """Close the gateway alone; the clinics go on."""
        if hasattr(self, "gateway"):
            await asyncio.to_thread(self._normalizer.stop)
            self.gateway.close()
            del self.gateway

    # --- running one source -----------------------------------------------------------------------------------------

    async def running(self, scene: Scene, intake: Intake) -> None:
        """Run the adapter's transports of this scene until cancelled; what they raise becomes ``error``."""
        source = self.gateway.sources[TENANT, scene.name]
        try:
            ways = self.subject.adapter.transports(scene.name, source.config)
            await asyncio.gather(*(way.run(intake, lambda: None) for way in ways))
        except GatewayError as error:
            scene.error = f"the transport gave up: {error.code}"
        except Exception as error:  # noqa: BLE001 - the seam: whatever an adapter raises is its own failure alone
            scene.error = f"the transport raised {type(error).__name__}"

    async def read(self, scene: Scene, enough: Callable[[], bool], seconds: float, *, blind: bool = False) -> bool:
        """Read until there is enough or the time is over; whether there was enough in time."""
        scene.tap = Tapped(self.gateway.receiver(self.gateway.sources[TENANT, scene.name]), blind=blind)
        running = asyncio.ensure_future(self.running(scene, scene.tap))
        try:
            return await self.until(enough, seconds, running.done)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await self.until(lambda: not self.gateway.handoff.unsettled, 10)

    async def until(self, true: Callable[[], bool], seconds: float, over: Callable[[], bool] = lambda: False) -> bool:
        """Wait for something; whether it came true in time."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end or over():
                return true()
            await asyncio.sleep(_LOOK)
        return True

    def pause(self, scene: Scene) -> float:
        """The same where this scene's settings make its source ask less often."""
        return max(self.lingering, 1.5 * float(scene.settings.get("poll_seconds", 0)))

    def quiet(self, scene: Scene) -> Callable[[], bool]:
        """Whether something has arrived, and nothing new for a while."""
        pause = self.pause(scene)
        last: tuple[int, float] = (0, time.monotonic())

        def is_quiet() -> bool:
            nonlocal last
            now, count = time.monotonic(), len(scene.tap.items) if scene.tap else 0
            if count != last[0] or not count:
                last = (count, now)
            return bool(count) and now - last[1] > pause

        return is_quiet

    def begun(self, scene: Scene, seconds: float) -> Callable[[], bool]:
        """Whether something arrived and so much time went by since: for a clinic that never has arrived whole."""
        first: list[float] = []

        def is_over() -> bool:
            if not first and scene.items:
                first.append(time.monotonic())
            return bool(first) and time.monotonic() - first[0] > seconds

        return is_over

    # --- what came of it --------------------------------------------------------------------------------------------

    def records(self) -> dict[str, Records]:
        """All records by source, opened under an access entry."""
        gateway = self.gateway
        rows = gateway.store.read_sync(lambda c: journal.recent_records(c, TENANT, None, None, MOST))
        contents = open_contents(gateway.store, gateway.vault, gateway.audit, TENANT, rows, "certify")
        names = {
            str(UUID(bytes=row.record_id)): f"{row.type} {contents[bytes(row.record_id)]['native_id']}"
            for row in rows
            if not row.removed
        }
        found: dict[str, Records] = {}
        for row in rows:
            content = contents[bytes(row.record_id)]
            text = json.dumps(content["fields"], sort_keys=True, default=str)
            shown = _ID.sub(lambda match: names.get(match[0], "?"), text)
            key = (row.type, content["native_id"])
            found.setdefault(row.source, {})[key] = (shown, row.version, bool(row.removed))
        return found

    def texts(self, name: str, kind: str | None = None) -> dict[bytes, str]:
        """What can be read of the records of one source, by record id; those of erased patients are left out."""
        gateway = self.gateway
        rows = gateway.store.read_sync(lambda c: journal.recent_records(c, TENANT, kind, None, MOST))
        own = [row for row in rows if row.source == name]
        contents = open_contents(gateway.store, gateway.vault, gateway.audit, TENANT, own, "certify")
        return {
            id: json.dumps(content["fields"], default=str)
            for id, content in contents.items()
            if "shredded" not in content
        }

    def heads(self, name: str) -> dict[bytes, Head]:
        """How each record of one source stands, by record id."""
        rows = self.gateway.store.read_sync(lambda c: journal.recent_records(c, TENANT, None, None, MOST))
        return {
            bytes(row.record_id): Head(row.type, int(row.version), bool(row.removed))
            for row in rows
            if row.source == name
        }

    def changes(self, name: str) -> int:
        """How many versions the records of one source have had."""
        return sum(head.version for head in self.heads(name).values())

    def removed(self, name: str) -> int:
        """How many records of one source are removed."""
        return sum(head.removed for head in self.heads(name).values())

    def unread(self, name: str) -> str:
        """Reasons why messages of one source are in quarantine; evidence of bytes that are no message is left out."""
        waiting = self.gateway.store.read_sync(lambda connection: held(connection, TENANT))
        return ", ".join(sorted({one.reason for one in waiting if one.source == name and one.kind != "evidence"}))
