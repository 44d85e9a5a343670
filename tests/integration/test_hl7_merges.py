"""Merges and their end in HL7: whatever is stored together, normalized by whom, and cut off where, the end is the same.

The serial gateway takes one message after another. The others take the same messages in random handfuls, settled by
two workers in turns, with memory let go and processes ended in between, or ended before any statement that writes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from gateway.access import View
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.mapping import Mapping
from gateway.model.exchange import Item
from gateway.store import journal
from gateway_hl7.plugin import Hl7Adapter
from tests.faults.crashed import Crashes
from tests.integration.parts import TENANT, Parts, Place, Written, deliver_all

SOURCE, ADAPTER = "hospital", Hl7Adapter()
PATIENTS = ("A", "B", "C")
MESSAGES = 18
ALL = View("all", {"Patient": ["*"], "Appointment": ["*"]})
State = dict[str, tuple[list[str], str]]
"""By record: the kinds of its changes, and what it is in the end."""


def messages(seed: int) -> list[Item]:
    """What one hospital sends: names, appointments, merges and unlinks of three patients, each newer than the last."""
    chance = random.Random(seed)
    found = []
    for number in range(MESSAGES):
        one, other = chance.sample(PATIENTS, 2)
        kind = chance.choices(["ADT^A08", "SIU^S12", "ADT^A40", "ADT^A37"], [5, 4, 4, 2])[0]
        at = f"202603010800{number:02}"
        segments = [f"MSH|^~\\&|H|N|G|G|{at}||{kind}|C{number}|P|2.5"]
        if kind == "SIU^S12":
            segments.append(f"SCH|{one}{chance.randrange(2)}^H|||||CHECKUP||EVAL|45|min|^^45^202603{number + 1:02}0930")
        segments.append(f"PID|1||{one}^^^N^MR||NAME{number}^ANNE")
        if kind == "ADT^A40":
            segments.append(f"MRG|{other}^^^N^MR")
        if kind == "ADT^A37":
            segments.append(f"PID|2||{other}^^^N^MR||OTHER{number}^ANNE")
        found += [one for one in ADAPTER.cut(["\r".join(segments).encode()], ADAPTER.config()) if isinstance(one, Item)]
    return found


def connected(parts: Parts) -> Parts:
    """The hospital as a source of this gateway."""
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
    source = Source.bind(TENANT, SOURCE, ADAPTER, ADAPTER.config(), mapping)
    parts.sources[TENANT, SOURCE] = source
    kept = [(source.mapping_hash, "mapping", mapping.text), (bytes.fromhex(ALL.version), "view", ALL.text)]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], kept))
    parts.normalizer = parts.normalizing()
    return parts


def opened(folder: Path) -> Parts:
    """A gateway in this folder, new or as it was left."""
    folder.mkdir(exist_ok=True)
    return connected(Place(folder, "embedded").open())


def accept(parts: Parts, items: Sequence[Item]) -> None:
    """Store messages in one commit."""
    asyncio.run(parts.receiver(SOURCE).accept(items))


def ended(parts: Parts) -> State:
    """Settle what waits; every record with its history, ids told by the hospital's own; the ledger holds."""
    parts.settle()
    ledger = parts.ledger()
    assert ledger.problems == []
    assert ledger.pending == 0
    sink = Written()
    deliver_all(parts.delivering(sink, name=f"look-{random.getrandbits(60)}", view=ALL))
    ids = {
        parts.vault.record_id(TENANT, SOURCE, kind, native): (kind, native)
        for kind, natives in (("Patient", PATIENTS), ("Appointment", [f"{who}{n}" for who in PATIENTS for n in "01"]))
        for native in natives
    }
    found: State = {}
    for delivery in sorted(sink.effects, key=lambda one: one.version):
        body = delivery.body.decode()
        for record_id, (kind, native) in ids.items():
            body = body.replace(record_id, f"{kind}/{native}")
        kind, native = ids[delivery.record_id]
        found[f"{kind}/{native}"] = (history(parts, delivery.record_id), body)
    parts.close()
    return found


def history(parts: Parts, record_id: str) -> list[str]:
    """Kinds of the changes of one record."""
    wanted = UUID(record_id).bytes
    return [row.kind for row in parts.store.read_sync(lambda connection: journal.history(connection, TENANT, wanted))]


def serial(folder: Path, items: Sequence[Item]) -> State:
    """One message after another."""
    parts = opened(folder)
    for item in items:
        accept(parts, [item])
        parts.settle()
    return ended(parts)


def interleaved(folder: Path, items: Sequence[Item], chance: random.Random) -> State:
    """Handfuls, two workers, lost memory and restarts, by chance."""
    parts, left = opened(folder), list(items)
    workers = [parts.normalizer, parts.normalizing()]
    while left:
        action = chance.choices(["accept", "step", "forget", "restart"], [5, 4, 1, 1])[0]
        if action == "accept":
            many = chance.randint(1, 5)
            accept(parts, left[:many])
            del left[:many]
        elif action == "step":
            chance.choice(workers).step(TENANT)
        elif action == "forget":
            parts.handoff.fall_behind(TENANT)
        else:
            parts.close()
            parts = opened(folder)
            workers = [parts.normalizer, parts.normalizing()]
    return ended(parts)


def test_interleavings_end_as_the_serial_gateway_does(tmp_path: Path, scale: Callable[[int], int]) -> None:
    """Records, their histories and the ledger are those of one message after another."""
    for seed in range(scale(2)):
        items = messages(seed)
        wanted = serial(tmp_path / f"serial-{seed}", items)
        assert any("merged" in kinds for kinds, _ in wanted.values())
        assert interleaved(tmp_path / f"mixed-{seed}", items, random.Random(-seed)) == wanted, seed


def test_a_crash_anywhere_ends_as_the_serial_gateway_does(tmp_path: Path, scale: Callable[[int], int]) -> None:
    """Wherever the process ended, the sender's repeat of everything it has no answer for ends in the same records."""
    items = messages(1)
    wanted = serial(tmp_path / "serial", items)
    parts = opened(tmp_path / "run")
    crashes = Crashes(tmp_path / "run", tmp_path / "cuts")
    crashes.watch(parts.store._writing)
    for start in range(0, len(items), 5):
        accept(parts, items[start : start + 5])
        parts.normalizer.step(TENANT)
    assert ended(parts) == wanted
    assert crashes.count > 40
    for cut in crashes.some(scale(5)):
        again = opened(cut)
        accept(again, items)
        assert ended(again) == wanted, cut.name
