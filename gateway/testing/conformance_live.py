"""Rules that are judged on a clinic that lives: each scene has a simulator of its own, and all run at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.flow.source import Source
from gateway.model.exchange import Item
from gateway.testing.conformance import FAULT, Result, failed, judged, not_run, passed
from gateway.testing.conformance_house import TENANT, House, Records, Scene
from gateway.testing.conformance_scenes import clock_rule, deletion_rule, erasure_rule, press_rule
from gateway.testing.conformance_static import canaries, pure
from gateway.testing.conformance_subject import Subject
from gateway.testing.conformance_sweep import RULE as SWEPT
from gateway.testing.conformance_sweep import sweep_rule
from gateway.testing.recording_intake import RecordingIntake
from gateway.testing.simulation import Staged, staged

NO_SIMULATOR = "no simulator of this name lies beside the adapter"
NO_STAGE = "the simulator lets nothing happen at its clinic"
ASKED = ("full-sync", "polls-incrementally", "same-bytes-same-patches", "pages-without-gaps",
         "cursor-moves-with-storage", "stays-within-rate-budget", "reads-deletions", "erasure",
         "clock-skew", SWEPT)  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """How long the suite waits; all in seconds."""

    clinic_size: int = 12
    lingering: float = 2.5
    patience: float = 90.0
    """For a clinic to arrive, with faults or without."""
    pressing: float = 8.0
    """So long the request budget is pressed."""
    endless: float = 6.0
    """So much of a simulator that never ends is looked at, from its first message on."""


@dataclass
class Lived:
    """What the scenes brought."""

    results: list[Result] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """Values of patients, which must be nowhere in plain text."""
    source: Source | None = None


class Rehearsal:
    """All scenes of one adapter."""

    def __init__(self, subject: Subject, house: House, pace: Pace) -> None:
        self._subject = subject
        self._house = house
        self._pace = pace
        self._simulator = subject.simulator
        stage = staged(subject.simulator)
        self._staged = stage is not None and "update" in stage.events
        self._endless = hasattr(subject.simulator, "seconds")
        self._results: list[Result] = []
        self.plain = Scene("plain")
        met = subject.simulator.faults if subject.simulator else {}
        faults = [fault for fault in met if fault not in getattr(subject.simulator, "write_faults", {})]
        self.faulty = {fault: Scene(f"fault-{number}", (fault,)) for number, fault in enumerate(faults)}
        self.moving, self.moved, self.deleting = Scene("moving"), Scene("moved"), Scene("deleting")
        self.stalled, self.erased, self.skewed = Scene("stalled"), Scene("erased"), Scene("skewed")
        self.swept, self.swept_anew = Scene("swept"), Scene("swept-anew")
        self.paced = Scene("paced", more={"poll_seconds": 0.05} if subject.polled else {})

    async def run(self) -> Lived:
        """Open the house, run every scene, judge."""
        if self._simulator is None:
            return Lived([not_run(rule, NO_SIMULATOR) for rule in ASKED])
        acting = [
            self.plain, *self.faulty.values(), self.moving, self.deleting, self.stalled, self.paced, self.erased,
            self.skewed, self.swept,
        ]  # fmt: skip
        await asyncio.gather(*(self._house.act(scene) for scene in acting))
        for anew, first in ((self.moved, self.moving), (self.swept_anew, self.swept)):
            anew.settings, anew.simulator = first.settings, first.simulator
        self._house.open([*acting, self.moved, self.swept_anew])
        await asyncio.gather(
            self._plain(), self._move(), self._delete(), self._press(), self._stall(), self._erase(), self._mistime(),
            self._list_all(),
        )  # fmt: skip
        records = self._house.records()
        self._judge_faults(records)
        self._judge_moves(records)
        source = self._house.gateway.sources[TENANT, "plain"]
        return Lived(self._results, self.plain.items, sorted(_secrets(records)), source)

    # --- scenes -----------------------------------------------------------------------------------------------------

    async def _plain(self) -> None:
        """Read the clinic, then with the same faults as its name says; then once more with all cursors forgotten."""
        house, plain, pace = self._house, self.plain, self._pace
        arrived = await house.read(plain, self._whole(plain), pace.patience)
        unread = self._house.unread("plain")
        faults = [plain.error] if plain.error else []
        if not plain.items:
            faults.append("nothing arrived")
        elif not arrived:
            faults.append("the clinic never arrived whole")
        elif unread and not faults:
            faults.append(f"messages cannot be read: {unread}")
        self._results.append(judged("full-sync", faults))
        if not self._staged:
            self._watched()
        await asyncio.gather(self._again(), *(self._suffer(scene) for scene in self.faulty.values()))

    def _whole(self, scene: Scene) -> Callable[[], bool]:
        """Whether the clinic has arrived, or enough of one that never ends."""
        if not self._endless:
            return self._house.quiet(scene)
        begun, late = (self._house.begun(scene, times * self._pace.endless) for times in (1, 5))
        told = isinstance(self._subject.quality.get("rules", {}).get("reads-deletions"), dict)
        return lambda: begun() and (told or late() or self._house.removed(scene.name) > 0)

    def _watched(self) -> None:
        """What shows by itself at a clinic that goes its own way, as one of nightly files does."""
        tap, gone = self.plain.tap, self._house.removed("plain")
        lives = self._endless and tap is not None and bool(tap.items)
        if not lives or tap is None:
            self._results.append(not_run("polls-incrementally", NO_STAGE))
            return
        again = tap.repeats > len(tap.items)
        why = ["more came again than was new"] if again else []
        self._results.append(
            judged("polls-incrementally", why) if self._subject.polled else not_run("polls-incrementally", NO_STAGE)
        )
        self._results.append(passed("reads-deletions") if gone else not_run("reads-deletions", NO_STAGE))

    async def _again(self) -> None:
        """The same bytes handed in again, understood again, and asked for again."""
        house, plain, rule = self._house, self.plain, "same-bytes-same-patches"
        if not plain.items:
            self._results.append(not_run(rule, "nothing arrived that could come again"))
            return
        source = house.gateway.sources[TENANT, "plain"]
        adapter = self._subject.adapter
        second = Source.bind(TENANT, "second", adapter, source.config, source.mapping)
        faults = list(pure(source, second, plain.items))
        before, items = house.changes("plain"), plain.items
        if not faults:
            await house.gateway.receiver(source).accept(items)
            if self._subject.polled and not self._endless:
                anew = Scene("plain")
                await house.read(anew, house.quiet(anew), self._pace.patience, blind=True)
            await house.until(lambda: not house.gateway.handoff.unsettled, 10)
            if house.changes("plain") != before:
                faults.append("what came a second time changed records")
        self._results.append(judged(rule, faults))

    async def _suffer(self, scene: Scene) -> None:
        wanted = self.plain.items

        def enough() -> bool:
            got = scene.has(wanted)
            told = bool(self._lasting(scene) and scene.tap and scene.tap.findings and scene.items)
            return (got or told) and (staged(scene.simulator) is None or scene.counted(f"fault {scene.faults[0]}") > 0)

        await self._house.read(scene, enough, self._pace.patience)

    async def _move(self) -> None:
        """Let rows change while they are read, then one more, then one removed; then read all anew beside it."""
        house, scene = self._house, self.moving
        simulator = staged(scene.simulator)
        if simulator is None or "update" not in simulator.events:
            self._results.append(not_run("pages-without-gaps", NO_STAGE))
            return
        patience = self._pace.patience
        reading = asyncio.ensure_future(house.read(scene, lambda: False, 4 * patience))
        if not await house.until(lambda: bool(scene.items), patience, reading.done):
            self._results.append(not_run("polls-incrementally", "nothing arrived"))
            reading.cancel()
            return
        for _ in range(8):
            simulator.happen("update")
            await asyncio.sleep(0.03)
        await house.until(house.quiet(scene), patience)
        whole = len(scene.items)
        await self._one_more(scene, simulator, whole)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await house.read(self.moved, house.quiet(self.moved), patience)

    async def _one_more(self, scene: Scene, simulator: Staged, whole: int) -> None:
        house, rule = self._house, "polls-incrementally"
        before = scene.tap.repeats if scene.tap else 0
        simulator.happen("update")
        if not await house.until(lambda: len(scene.items) > whole, self._pace.patience):
            self._results.append(failed(rule, "a change at the clinic did not arrive"))
            return
        await asyncio.sleep(self._pace.lingering)
        if whole < 10:
            self._results.append(not_run(rule, "the clinic is too small to tell a change from everything"))
        elif len(scene.items) - whole > whole // 2:
            self._results.append(failed(rule, "one change brought more than half of the clinic again"))
        elif scene.tap is not None and scene.tap.repeats - before > whole // 2:
            self._results.append(failed(rule, "everything is fetched again at each look"))
        else:
            self._results.append(passed(rule))

    async def _delete(self) -> None:
        if staged(self.deleting.simulator) is not None or not self._endless:
            self._results.append(await deletion_rule(self._house, self.deleting, self._pace.patience))

    async def _press(self) -> None:
        self._results.append(await press_rule(self._house, self._subject, self.paced, self._pace.pressing))

    async def _stall(self) -> None:
        """A store that cannot commit for a while: what it did not take must come again."""
        rule, scene, intake = "cursor-moves-with-storage", self.stalled, RecordingIntake()
        intake.fail_next = 2
        running = asyncio.ensure_future(self._house.running(scene, intake))
        house, plain = self._house, self.plain

        def all_there() -> bool:
            return bool(plain.items) and scene.has(plain.items, intake.items)

        await house.until(lambda: any(one.rule == "full-sync" for one in self._results), 2 * self._pace.patience)
        came = await house.until(all_there, self._pace.patience, running.done)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        if not plain.items:
            self._results.append(not_run(rule, "nothing arrived"))
        elif intake.fail_next:
            self._results.append(not_run(rule, "nothing was handed in while the store could not commit"))
        else:
            why = scene.error or "what the store could not take did not come again"
            self._results.append(passed(rule) if came else failed(rule, why))

    async def _erase(self) -> None:
        again, whole = self._subject.polled and not self._endless, self._whole(self.erased)
        self._results.append(await erasure_rule(self._house, self.erased, whole, self._pace.patience, again=again))

    async def _mistime(self) -> None:
        self._results.append(await clock_rule(self._house, self.skewed, self._pace.patience))

    async def _list_all(self) -> None:
        if self._endless or not self._subject.polled:
            self._results.append(not_run(SWEPT, "no list is polled"))
            return
        self._results.append(await sweep_rule(self._house, self.swept, self.swept_anew, self._pace.patience))

    # --- verdicts ---------------------------------------------------------------------------------------------------

    def _lasting(self, scene: Scene) -> bool:
        return scene.faults[0] in getattr(self._simulator, "lasting", frozenset())

    def _judge_faults(self, records: dict[str, Records]) -> None:
        plain = records.get("plain", {})
        for fault, scene in self.faulty.items():
            rule = FAULT + fault
            if not plain:
                self._results.append(not_run(rule, "the clinic does not even arrive without faults"))
            elif staged(scene.simulator) is not None and not scene.counted(f"fault {fault}"):
                self._results.append(not_run(rule, "the simulator had no occasion to show it"))
            else:
                self._results.append(judged(rule, self._scars(scene, plain, records.get(scene.name, {}))))

    def _scars(self, scene: Scene, plain: Records, found: Records) -> Iterator[str]:
        if scene.error:
            yield scene.error
        missing = plain.keys() - found.keys()
        if missing and not (self._lasting(scene) and scene.tap and scene.tap.findings and found):
            kinds = ", ".join(sorted({kind for kind, _ in missing}))
            yield f"records are missing afterwards: {kinds}"
        surplus = found.keys() - plain.keys()
        if not self._endless:
            if surplus:
                yield "there are records that the clinic does not have"
            if any(found[key][0] != plain[key][0] for key in plain.keys() & found.keys()):
                yield "records differ afterwards"
        unread = self._house.unread(scene.name)
        if unread and not self._lasting(scene) and unread != self._house.unread("plain"):
            yield f"messages cannot be read: {unread}"

    def _judge_moves(self, records: dict[str, Records]) -> None:
        if not self._staged:
            return
        seen, anew = records.get("moving", {}), records.get("moved", {})
        faults = [scene.error for scene in (self.moving, self.moved) if scene.error]
        live = {key: text for key, (text, _, removed) in seen.items() if not removed}
        fresh = {key: text for key, (text, _, removed) in anew.items() if not removed}
        if not fresh:
            faults.append("nothing arrived")
        if fresh.keys() - live.keys():
            faults.append("records were lost while pages moved")
        if any(live[key] != fresh[key] for key in live.keys() & fresh.keys()):
            faults.append("records are stale after pages moved")
        self._results.append(judged("pages-without-gaps", faults))


def _secrets(records: dict[str, Records]) -> set[str]:
    """Values of patients; of a system that knows none, such as a bank, whatever its records hold that is no date."""
    told = [(kind, text) for found in records.values() for (kind, _), (text, *_) in found.items()]
    people = {word for kind, text in told if kind == "Patient" for word in canaries(json.loads(text))}
    return people or {word for _, text in told for word in canaries(json.loads(text)) if word[0].isalpha()}


def plain_text_in(folder: Path, secrets: list[str]) -> Iterator[str]:
    """Files of the gateway's data that hold a patient's value in plain text."""
    wanted = [word.encode() for word in secrets]
    for file in sorted((folder / "data").rglob("*")):
        if file.is_file():
            body = file.read_bytes()
            if any(word in body for word in wanted):
                yield f"a value of a patient stands in {file.name}"
