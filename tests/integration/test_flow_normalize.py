"""Normalize: in order per key, one bad message costs itself only, and the same thing told twice changes nothing."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from gateway.errors import InvalidConfiguration, StoreUnavailable
from gateway.flow import normalize as normalizing
from gateway.flow import taking
from gateway.flow.normalize import Normalizer
from gateway.flow.quarantine import held, one_held, release
from gateway.model.exchange import Item
from gateway.store import journal, messages
from gateway.store.schema import changes, records
from gateway.store.schema import messages as message_table
from tests.integration.parts import (
    TENANT,
    Parts,
    Place,
    Written,
    appointment,
    deliver_all,
    findings,
    merged,
    message,
    patient,
    removed,
)
from tests.waiting import wait_until


def sound(parts: Parts) -> None:
    """The ledger adds up, and nothing waits."""
    ledger = parts.ledger()
    assert ledger.problems == []
    assert ledger.pending == 0


def look(parts: Parts) -> dict[str, dict[str, Any]]:
    """Every record's latest fields as a sink that may see them gets them, by record id."""
    sink = Written()
    deliver_all(parts.delivering(sink, name=f"look-{random.getrandbits(60)}"))
    return {delivery.record_id: json.loads(delivery.body) for delivery in sink.effects}


def fields(parts: Parts, kind: str, native_id: str) -> dict[str, Any]:
    """One record's latest fields."""
    return look(parts)[parts.vault.record_id(TENANT, "told", kind, native_id)]


def test_messages_of_one_key_are_normalized_in_order(parts: Parts, scale: Callable[[int], int]) -> None:
    """Over memory, an overflow and a restart, each patient ends at their last message, all versions in order."""
    chance = random.Random(3)
    told: dict[str, int] = {}
    for round_ in range(scale(3)):
        parts.handoff._most_bytes = chance.choice([2**22, 4000, 100])
        items = []
        for _ in range(100):
            name = f"p{chance.randrange(12)}"
            told[name] = told.get(name, 0) + 1
            items.append(message(patient(name, f"V{told[name]:04d}")))
        for start in range(0, len(items), 30):
            asyncio.run(parts.accept(*items[start : start + 30]))
            if chance.random() < 0.5:
                parts.normalizer.step(TENANT)
        if round_ % 2:
            parts.normalizer = parts.normalizing()
            parts.handoff.fall_behind(TENANT)
    parts.settle()
    seen = look(parts)
    for name, count in told.items():
        assert len(parts.history("Patient", name)) == count
        assert seen[parts.vault.record_id(TENANT, "told", "Patient", name)]["name"]["family"] == f"V{count:04d}"
    sound(parts)


def test_a_bad_message_is_quarantined_alone(parts: Parts) -> None:
    """A message that cannot be translated waits with its reason and place; those around it are normalized."""
    good, bad, after = parts.take(
        message(patient("p1", "A")), message(patient("p1", "B"), told={"fault": "content"}), message(patient("p1", "C"))
    )
    assert parts.outcomes(bad.message_id) == [("quarantined", "unknown-code")]
    assert [parts.outcomes(one.message_id) for one in (good, after)] == [[("normalized", "")]] * 2
    (one,) = parts.store.read_sync(lambda connection: held(connection, TENANT))
    assert (one.reason, one.place, one.fix) == ("unknown-code", "told", "Add the code to the table.")
    assert parts.store.read_sync(lambda connection: held(connection, TENANT, 0)) == []
    assert parts.store.read_sync(lambda connection: one_held(connection, TENANT, one.id)) == one
    sound(parts)


@pytest.mark.parametrize(
    "defect",
    [
        {"type": "Nonsense", "native_id": "x"},
        {"type": "Patient", "native_id": None},
        {"type": "Patient", "native_id": "p\ud800"},
        {"type": "Patient", "native_id": "p9", "fields": {"name": 5}},
        {"type": "Patient", "native_id": "p9", "fields": {"no_such_field": "x"}},
        {"type": "Patient", "native_id": "p9", "fields": {"language": "\ud800"}},
        {"type": "Patient", "native_id": "p9", "fields": [1]},
        {"type": "Patient", "native_id": "p9", "source_version": 17},
        {"type": "Patient", "native_id": "p9", "source_version": "v" * 500},
        {"type": "Patient", "native_id": "p9", "source_version": "\x00"},
        {"type": "Patient", "native_id": "p1", "operation": "merge", "into": 5},
        {"type": ["Patient"], "native_id": "p9"},
    ],
    ids=lambda defect: ",".join(f"{key}={value!r}" for key, value in defect.items() if key != "type")[:60],
)
def test_a_malformed_patch_costs_its_message_only(parts: Parts, defect: dict[str, Any]) -> None:
    """Patches of any wrong shape put their message into quarantine, whole, and no other one."""
    before, bad, after = parts.take(
        message(patient("p1", "A")), message(patient("p1", "B"), defect, key="p1"), message(patient("p1", "C"))
    )
    assert parts.outcomes(bad.message_id)[-1][0] == "quarantined"
    assert [parts.outcomes(one.message_id) for one in (before, after)] == [[("normalized", "")]] * 2
    assert len(parts.history("Patient", "p1")) == 2
    sound(parts)


def test_an_adapter_defect_is_named_without_values(parts: Parts, capfd: pytest.CaptureFixture[str]) -> None:
    """A raising normalizer quarantines the message as an adapter error; neither log nor row holds a value."""
    bad, _ = parts.take(message(patient("p1", "Quartermaine"), told={"fault": "defect"}), message(patient("p2", "B")))
    assert parts.outcomes(bad.message_id) == [("quarantined", "adapter-error")]
    told = "".join(capfd.readouterr())
    assert "adapter-failed" in told
    assert "Quartermaine" not in told
    sound(parts)


def test_a_source_that_is_not_configured_any_more(parts: Parts) -> None:
    """What waits of a removed source is quarantined, and normalized when the source is back and it is released."""
    from tests.integration.parts import told

    parts.sources[TENANT, "gone"] = told("gone")
    (one,) = asyncio.run(parts.receiver("gone").accept([message(patient("p1", "A"))]))
    source = parts.sources.pop((TENANT, "gone"))
    parts.normalizer = parts.normalizing()
    parts.handoff.fall_behind(TENANT)
    parts.settle()
    assert parts.outcomes(one.message_id) == [("quarantined", "unknown-source")]
    parts.sources[TENANT, "gone"] = source
    parts.store.write_sync(lambda c: journal.keep_text(c, source.mapping_hash, "mapping", "mapping of gone"))
    release(parts.store, parts.audit, TENANT, f"m{one.message_id}", "user:ann")
    parts.settle()
    assert parts.outcomes(one.message_id)[-1] == ("normalized", "")
    sound(parts)


def test_older_versions_are_told_not_applied(parts: Parts) -> None:
    """A late message with an older source version is kept, marked stale, and changes nothing."""
    parts.take(message(patient("p1", "New", version="2026-02-02")))
    (late,) = parts.take(message(patient("p1", "Old", version="2026-01-01")))
    (same,) = parts.take(message(patient("p1", "Newer", version="2026-02-02")))
    assert parts.outcomes(late.message_id) == [("normalized", "stale")]
    assert parts.outcomes(same.message_id) == [("normalized", "")]
    assert fields(parts, "Patient", "p1")["name"] == {"family": "Newer"}
    sound(parts)


def test_polling_again_makes_no_change(parts: Parts) -> None:
    """The same content under a new control id, in another order of fields too, makes no version."""
    parts.take(message(patient("p1", "A", language="en"), appointment("a1", "p1")))
    turned = patient("p1", "A", language="en")
    turned["fields"] = dict(reversed(turned["fields"].items()))
    (again,) = parts.take(message(turned, appointment("a1", "p1"), control="again"))
    assert parts.outcomes(again.message_id) == [("normalized", "unchanged")]
    assert parts.history("Patient", "p1") == ["created"]
    sound(parts)


def test_absent_stays_null_deletes_value_sets(parts: Parts) -> None:
    """What a message does not mention stays, what it nulls is gone, what it says is set."""
    parts.take(message(patient("p1", "A", language="en")))
    parts.take(message(patient("p1", "B")))
    assert fields(parts, "Patient", "p1") == {"name": {"family": "B"}, "language": "en"}
    parts.take(message(patient("p1", language=None)))
    assert fields(parts, "Patient", "p1") == {"name": {"family": "B"}}
    sound(parts)


def test_removing_and_coming_back(parts: Parts) -> None:
    """A removed record's last content goes out as removed, twice removed is once, and it can be created again."""
    parts.take(message(patient("p1", "A"), appointment("a1", "p1")))
    parts.take(message(removed("Appointment", "a1", "p1")))
    (again,) = parts.take(message(removed("Appointment", "a1", "p1"), control="again"))
    (never,) = parts.take(message(removed("Appointment", "a9", "p1")))
    assert parts.outcomes(again.message_id) == parts.outcomes(never.message_id) == [("normalized", "unchanged")]
    parts.take(message(appointment("a1", "p1", status="confirmed")))
    assert parts.history("Appointment", "a1") == ["created", "removed", "created"]
    assert fields(parts, "Appointment", "a1")["status"] == "confirmed"
    sound(parts)


@pytest.mark.parametrize("seen", [True, False])
def test_a_merge_writes_a_barrier_in_both_lanes(parts: Parts, seen: bool) -> None:
    """The prior patient says into whom it was merged; both lanes hold a barrier that names the other; twice is once."""
    if seen:
        parts.take(message(patient("old", "A")), message(patient("new", "B")))
    for number in range(40):
        parts.take(message(merged("old", f"new{number}" if number else "new"), control=f"m{number}"))
        parts.take(message(merged("old", f"new{number}" if number else "new"), control=f"again{number}"))
    found = parts.store.read_sync(lambda c: c.execute(select(changes).where(changes.c.kind == "barrier")).fetchall())
    by_place = {(row.lane, row.position): row for row in found}
    for row in found:
        twin = by_place[row.partner_lane, row.partner_position]
        assert (twin.partner_lane, twin.partner_position) == (row.lane, row.position)
    assert len({bytes(row.patient) for row in found} - {parts.record("Patient", "old")}) == 40
    assert parts.history("Patient", "old").count("merged") == 40
    sound(parts)


def test_release_from_quarantine(parts: Parts) -> None:
    """A released message is normalized again from its sealed bytes, its first answer stands, and history shows all."""
    (bad,) = parts.take(message(patient("p1", "A"), told={"fault": "needs-context"}))
    assert parts.outcomes(bad.message_id) == [("quarantined", "no-envelope")]
    release(parts.store, parts.audit, TENANT, f"m{bad.message_id}", "user:ann")
    assert parts.ledger().problems == []
    parts.settle()
    assert parts.outcomes(bad.message_id) == [
        ("quarantined", "no-envelope"),
        ("released", ""),
        ("quarantined", "no-envelope"),
    ]
    source = parts.sources[TENANT, "told"]
    mended = type(source)(**{**vars(source), "normalize": lambda body, _: source.normalize(body, b"envelope")})
    parts.sources[TENANT, "told"] = mended
    release(parts.store, parts.audit, TENANT, f"m{bad.message_id}", "user:ann")
    parts.settle()
    assert parts.outcomes(bad.message_id)[-1] == ("normalized", "")
    assert fields(parts, "Patient", "p1")["name"] == {"family": "A"}
    sound(parts)


@pytest.mark.parametrize("what", ["m1", "m999999999", "dx/1/1", "d/", "m", "q5", "m1 or 1=1", "m" + "9" * 40])
def test_releasing_what_is_not_held_is_refused(parts: Parts, what: str) -> None:
    """An id of nothing in quarantine changes nothing and says where to look."""
    parts.take(message(patient("p1", "A")))
    with pytest.raises(InvalidConfiguration, match="quarantine list"):
        release(parts.store, parts.audit, TENANT, what, "user:ann")
    with pytest.raises(InvalidConfiguration, match="quarantine list"):
        parts.store.read_sync(lambda connection: one_held(connection, TENANT, what))
    sound(parts)


def test_evidence_is_never_released(parts: Parts) -> None:
    """A part of a file that is no message stays evidence."""
    asyncio.run(parts.receiver().accept([], findings=list(findings("%%%"))))
    (one,) = parts.store.read_sync(lambda connection: held(connection, TENANT))
    with pytest.raises(InvalidConfiguration, match="evidence"):
        release(parts.store, parts.audit, TENANT, one.id, "user:ann")
    sound(parts)


def test_suppressed_and_residue_are_counted(parts: Parts) -> None:
    """A message that makes no record is suppressed with its reason; places nobody reads are counted per kind."""
    parts.take(
        message(control="s1", key="p1", told={"suppressed": "unsupported-event"}),
        message(patient("p1", "A"), told={"residue": ["ZPD-3", "x" * 400, "nul\x00"]}),
        message(patient("p1", "B"), told={"residue": ["ZPD-3"]}),
        message(patient("p1", "C"), told={"residue": ["ZPD-3"]}),
    )
    found = parts.store.read_sync(lambda connection: messages.residue_of(connection, TENANT))
    assert (found[0].path, found[0].count) == ("ZPD-3", 3)
    assert len(found) == 3
    assert parts.ledger().suppressed == {"unsupported-event": 1}
    sound(parts)


def test_two_normalizers_share_the_work_without_doing_it_twice(
    place: Place, scale: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that normalize the same tenant settle each message once, and every record's versions count up."""
    if place.url == "embedded":
        pytest.skip("one process serves an embedded store")
    monkeypatch.setattr(taking, "BATCH", 7)
    first = place.open()
    second = place.open()
    errors: list[BaseException] = []
    chance = random.Random(5)
    items: list[Item] = []
    for number in range(scale(150)):
        of = f"p{chance.randrange(6)}"
        told = chance.choice(
            [(patient(of, f"V{number}"),), (appointment(f"a{number % 9}", of, reason=f"r{number}"),), ()]
        )
        item = message(
            *told, control=f"c{number}", key=f"k{number % 5}", told={} if told else {"suppressed": "nothing"}
        )
        items.append(item)

    def work(normalizer: Normalizer) -> None:
        try:
            for _ in range(2000):
                normalizer.step(TENANT)
                if not first.store.read_sync(lambda c: messages.pending_count(c, TENANT)):
                    return
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            errors.append(error)

    try:
        asyncio.run(first.accept(*items))
        threads = [threading.Thread(target=work, args=(parts.normalizer,)) for parts in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        sound(first)
        total = first.store.read_sync(lambda c: c.execute(select(message_table.c.message_id)).fetchall())
        assert all(len(first.outcomes(row.message_id)) == 1 for row in total)
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("seen", [True, False])
def test_a_slower_normalizer_starts_over(parts: Parts, seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another process changed the record between reading and writing, the batch is folded again on what is new."""
    if seen:
        parts.take(message(patient("p1", "A", language="en")))
    parts.settle()
    second = parts.place.open()
    try:
        second.settle()
        asyncio.run(parts.accept(message(patient("p1", "B"), key="one")))
        asyncio.run(second.accept(message(patient("p1", language="fr"), key="two")))
        real = parts.store.write_sync
        met = False

        def meanwhile(unit: Any) -> Any:
            nonlocal met
            if not met:
                met = True
                assert second.normalizer.step(TENANT)
            return real(unit)

        monkeypatch.setattr(parts.store, "write_sync", meanwhile)
        assert parts.normalizer.step(TENANT)
        monkeypatch.undo()
    finally:
        second.close()
    assert fields(parts, "Patient", "p1") == {"name": {"family": "B"}, "language": "fr"}
    assert len(parts.history("Patient", "p1")) == 2 + seen
    sound(parts)


def test_a_disk_that_refuses_great_commits_gets_small_ones(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that cannot be written is tried again as a smaller one, until it passes; then batches grow again."""
    for number in range(40):
        asyncio.run(parts.accept(message(patient(f"p{number}", "A"), key=f"k{number}")))
    real, sizes = parts.store.write_sync, []

    def refusing(unit: Any) -> Any:
        def bounded(connection: Connection) -> Any:
            count = select(func.count()).select_from(changes)
            before = connection.execute(count).scalar_one()
            done = unit(connection)
            sizes.append(connection.execute(count).scalar_one() - before)
            if sizes[-1] > 5:
                raise StoreUnavailable("The disk is full")
            return done

        return real(bounded)

    monkeypatch.setattr(parts.store, "write_sync", refusing)
    monkeypatch.setattr(normalizing, "PAUSE_SECONDS", 0.001)
    parts.normalizer.start()
    wait_until(lambda: parts.ledger().pending == 0, "what waits is never written")
    parts.normalizer.stop()
    monkeypatch.undo()
    assert sum(size for size in sizes if size <= 5) == 40
    assert sizes.index(4) < max(at for at, size in enumerate(sizes) if size > 5), "batches do not grow again"
    sound(parts)


def test_records_stand_at_their_latest_change(parts: Parts) -> None:
    """The record row names the place of its last change, and removed records say so."""
    parts.take(message(patient("p1", "A")), message(patient("p1", "B")), message(removed("Patient", "p1", "p1")))
    (row,) = parts.store.read_sync(lambda c: c.execute(select(records)).fetchall())
    assert (row.version, row.removed) == (3, True)
    place = (row.lane, row.position)
    assert parts.store.read_sync(lambda c: journal.at_places(c, TENANT, [place]))[place].kind == "removed"
    sound(parts)
