"""React: what follows from records is derived once, kept up, taken back, explained, through crashes and clock steps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.flow import derive, gather, react
from gateway.flow.clock import micros_of
from gateway.flow.derived import Member
from gateway.flow.explain import Explainer
from gateway.flow.merge import open_stored
from gateway.flow.places import change_place, change_row
from gateway.flow.react import Deriver, settle
from gateway.model.identity import RecordId
from gateway.store import journal, messages, reactions
from gateway.vault import Sealed
from tests.integration.counting import Config, Counting
from tests.integration.parts import TENANT, Parts, appointment, message, patient, removed

START = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
"""When the appointments of the test source start."""


def run(parts: Parts, *derivers: Deriver) -> None:
    """Derive and normalize until everything is at rest."""
    while settle(derivers):
        parts.settle()


def tasks(parts: Parts) -> dict[str, dict[str, Any]]:
    """Fields of every derived record that is not removed, by its patient."""
    rows = parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, "Task", None, 1000))
    rows = [row for row in rows if not row.removed]
    entry = parts.audit.entry(
        TENANT, action="access", actor="test:reader", purpose="test",
        changes=[change_row(row.record_id, row.version) for row in rows],
    )  # fmt: skip
    parts.store.write_sync(lambda connection: parts.audit.append(connection, entry))
    changes = parts.store.read_sync(lambda c: journal.at_places(c, TENANT, [(r.lane, r.position) for r in rows]))
    found = {}
    with parts.audit.grant(entry) as grant:
        for row in changes.values():
            place = change_place(TENANT, row.record_id, row.version)
            _, fields = open_stored(parts.vault.open(grant, place, Sealed(row.key_id, row.wrapped, row.box)))
            found[bytes(row.patient).hex()] = fields
    return found


def versions(parts: Parts) -> int:
    """How many changes of derived records the journal holds."""
    return sum(
        len(parts.store.read_sync(lambda c, row=row: journal.history(c, TENANT, row.record_id)))
        for row in parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, "Task", None, 1000))
    )


def title(parts: Parts, native_id: str = "p1") -> str | None:
    """The derived title of one patient."""
    return tasks(parts).get(parts.record("Patient", native_id).hex(), {}).get("title")


def sound(parts: Parts) -> None:
    """The ledger adds up and nothing is in quarantine."""
    ledger = parts.ledger()
    assert ledger.problems == []
    assert ledger.quarantined == {}


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Set the reactors' clock."""
    monkeypatch.setattr(react, "micros", lambda: micros_of(moment))


def test_what_follows_is_a_record_like_any_other(parts: Parts) -> None:
    """A derived record is in the journal under its patient, with references as they were given, and is kept up."""
    deriver = parts.reacting(Counting())
    parts.take(message(patient("p1", "A")), message(appointment("a1", "p1")), message(appointment("a2", "p2")))
    run(parts, deriver)
    parts.take(message(appointment("a3", "p1")))
    run(parts, deriver)
    assert (title(parts), title(parts, "p2")) == ("2 visits", "1 visits")
    ann = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    assert tasks(parts)[parts.record("Patient", "p1").hex()]["patient"] == ann
    assert versions(parts) == 3
    sound(parts)


def test_large_records_are_opened_in_parts(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open while groups are told apart is bounded by bytes, each part under an access entry of its own."""
    monkeypatch.setattr(gather, "READ_BYTES", 3000)
    opened: list[int] = []
    real = gather.Gatherer._open

    def counted(self: Any, groups: Any, ids: Any) -> Any:
        if not groups:
            opened.append(len(ids))
        return real(self, groups, ids)

    monkeypatch.setattr(gather.Gatherer, "_open", counted)
    parts.take(*(message(appointment(f"a{n}", "p1", reason="x" * 1000)) for n in range(7)))
    run(parts, parts.reacting(Counting()))
    assert max(opened) == 2
    assert sum(opened) >= 7
    assert tasks(parts)


def test_equal_derivations_make_no_message(parts: Parts) -> None:
    """A change from which the same follows is derived and makes neither a message nor a version; a way back does."""
    counting = Counting()
    deriver = parts.reacting(counting)
    parts.take(message(appointment("a1", "p1")), message(appointment("a2", "p1")))
    run(parts, deriver)
    parts.take(message(appointment("a2", "p1", reason="knee")))
    run(parts, deriver)
    assert [count for _, count, _ in counting.derived] == [2, 2]
    assert versions(parts) == 1
    parts.take(message(appointment("a2", "p1", status="cancelled")))
    run(parts, deriver)
    parts.take(message(appointment("a2", "p1"), control="back"))
    run(parts, deriver)
    assert title(parts) == "2 visits"
    assert versions(parts) == 3
    sound(parts)


def test_what_follows_no_more_is_removed(parts: Parts) -> None:
    """Once nothing follows, the record is removed; when it follows again it is there again."""
    deriver = parts.reacting(Counting())
    parts.take(message(appointment("a1", "p1")))
    run(parts, deriver)
    parts.take(message(removed("Appointment", "a1", "p1")))
    run(parts, deriver)
    assert tasks(parts) == {}
    parts.take(message(appointment("a1", "p1"), control="back"))
    run(parts, deriver)
    assert title(parts) == "1 visits"
    sound(parts)


def test_a_field_left_out_is_deleted(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A derived record is whole: a field that an earlier derivation set and this one does not is gone."""
    deriver = parts.reacting(Counting(), Config(hours=1))
    at(monkeypatch, START + timedelta(hours=2))
    parts.take(message(appointment("a1", "p1")))
    run(parts, deriver)
    assert tasks(parts)[parts.record("Patient", "p1").hex()]["reason"] == "late"
    parts.take(message(appointment("a1", "p1", start="2026-03-03T09:30:00-06:00")))
    run(parts, deriver)
    assert "reason" not in tasks(parts)[parts.record("Patient", "p1").hex()]


def test_a_record_that_changes_its_group_takes_what_it_makes_along(parts: Parts) -> None:
    """An appointment that moves to another patient counts there and no longer where it was."""
    deriver = parts.reacting(Counting())
    parts.take(message(appointment("a1", "p1")), message(appointment("a2", "p1")))
    run(parts, deriver)
    parts.take(message(appointment("a2", "p2")))
    run(parts, deriver)
    assert (title(parts), title(parts, "p2")) == ("1 visits", "1 visits")
    sound(parts)


def test_a_timer_fires_once_and_survives_a_restart(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the time it asked for a group is derived again, once, by whichever process is there."""
    at(monkeypatch, START - timedelta(days=1))
    parts.take(message(appointment("a1", "p1")))
    run(parts, parts.reacting(Counting(), Config(hours=1)))
    again = parts.reopen()
    try:
        counting = Counting()
        deriver = again.reacting(counting, Config(hours=1))
        at(monkeypatch, START + timedelta(minutes=59))
        run(again, deriver)
        assert counting.derived == []
        at(monkeypatch, START + timedelta(minutes=61))
        run(again, deriver)
        run(again, deriver)
        assert len(counting.derived) == 1
        assert tasks(again)[again.record("Patient", "p1").hex()]["state"] == "done"
        sound(again)
    finally:
        again.close()


def test_a_clock_that_steps_back_undoes_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What time has brought about stays when the clock goes back a day and a change comes, and comes about once."""
    deriver = parts.reacting(Counting(), Config(hours=1))
    at(monkeypatch, START + timedelta(hours=2))
    parts.take(message(appointment("a1", "p1")))
    run(parts, deriver)
    at(monkeypatch, START - timedelta(hours=22))
    parts.take(message(appointment("a1", "p1", reason="knee")))
    run(parts, deriver)
    assert tasks(parts)[parts.record("Patient", "p1").hex()]["state"] == "done"
    assert versions(parts) == 1


def test_a_reactor_asking_for_the_past_is_not_asked_in_a_circle(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time that has passed is taken for a little later."""
    monkeypatch.setattr(derive, "LEAST_AGAIN", 3_600_000_000)

    class Impatient(Counting):
        def derive(self, key: str, members: Any, config: Any, now: datetime) -> Any:
            super().derive(key, members, config, now)
            return derive.Derivation(again=now - timedelta(days=1))

    impatient = Impatient()
    parts.take(message(appointment("a1", "p1")))
    run(parts, parts.reacting(impatient))
    assert len(impatient.derived) == 1


@pytest.mark.parametrize(
    ("fails", "reason"), [("groups", "reactor-failed"), ("derive", "reactor-failed"), ("type", "type-not-declared")]
)
def test_a_failing_reactor_costs_its_own_group(parts: Parts, fails: str, reason: str) -> None:
    """Its failure is told once in quarantine, what was derived before stays, and another edition derives anew."""
    counting = Counting()
    deriver = parts.reacting(counting)
    parts.take(message(appointment("a1", "p1")))
    run(parts, deriver)
    counting.fails = fails
    parts.take(message(appointment("a2", "p1")))
    run(parts, deriver)
    parts.take(message(appointment("a2", "p1", reason="knee")))
    run(parts, deriver)
    assert parts.ledger().quarantined == {reason: 1}
    assert parts.ledger().problems == []
    counting.fails = ""
    run(parts, parts.reacting(counting, Config(word="appointments")))
    assert title(parts) == "2 appointments"


def test_other_settings_derive_everything_anew(parts: Parts) -> None:
    """After a change of settings nothing is left of the old groups, and nothing is derived from half the journal."""
    parts.take(*(message(appointment(f"a{n}", f"p{n % 3}")) for n in range(12)))
    run(parts, parts.reacting(Counting()))
    counting = Counting()
    run(parts, parts.reacting(counting, Config(word="meetings")))
    assert sorted(fields["title"] for fields in tasks(parts).values()) == ["4 meetings"] * 3
    assert {count for _, count, _ in counting.derived} == {4}
    split = Counting()
    run(parts, parts.reacting(split, Config(split=True)))
    assert {count for _, count, _ in split.derived} == {1}
    rows = parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, "Task", None, 1000))
    assert sum(not row.removed for row in rows) == 12
    sound(parts)


def test_explain_names_the_records_it_followed_from(parts: Parts) -> None:
    """A derived value is traced to ids, versions and sources of the records behind it."""
    parts.take(message(appointment("a1", "p1")), message(appointment("a1", "p1", reason="knee")))
    run(parts, parts.reacting(Counting()))
    (row,) = parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, "Task", None, 9))
    explainer = Explainer(TENANT, parts.store, parts.vault, parts.audit, parts.sources, "test:reader")
    found = explainer.explain(str(RecordId(row.record_id.hex())), "title")
    named = parts.vault.record_id(TENANT, "told", "Appointment", "a1")
    assert found.derived_from == (Member("Appointment", named, 2, "told"),)
    assert (found.adapter, found.value, found.source) == ("counting/1", "1 visits", "reactor.counting")


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", range(10))
def test_a_crash_between_any_two_commits_loses_and_doubles_nothing(
    parts: Parts, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the process ends, before or after a commit, the next one comes to the same records and versions."""
    parts.take(message(appointment("a1", "p1")), message(appointment("a2", "p1")), message(appointment("a3", "p2")))
    commits, write = 0, parts.store.write_sync

    def dying(unit: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == after // 2 + 1:
            if after % 2:
                write(unit)
            raise Crash
        return write(unit)

    submit = parts.store.submit

    def dying_submit(unit: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == after // 2 + 1:
            if after % 2:
                submit(unit).result()
            raise Crash
        return submit(unit)

    deriver = parts.reacting(Counting())
    monkeypatch.setattr(parts.store, "write_sync", dying)
    monkeypatch.setattr(parts.store, "submit", dying_submit)
    with pytest.raises(Crash):
        settle([deriver])
    monkeypatch.undo()
    again = parts.reopen()
    try:
        restarted = again.reacting(Counting())
        again.settle()
        run(again, restarted)
        assert (title(again), title(again, "p2")) == ("2 visits", "1 visits")
        assert versions(again) == 2
        sound(again)
    finally:
        again.close()


def test_every_look_is_in_the_audit_log_and_nothing_is_in_the_clear(parts: Parts) -> None:
    """The versions a reactor was shown are named by access entries of its own; group keys are sealed."""
    deriver = parts.reacting(Counting())
    parts.take(message(appointment("a1", "p1")))
    run(parts, deriver)
    looked = [
        json.loads(body)
        for body in parts.store.read_sync(lambda connection: list(_bodies(connection)))
        if b'"actor":"reactor:counting"' in body
    ]
    assert {entry["action"] for entry in looked} == {"access"}
    assert {entry["purpose"] for entry in looked} == {"derive"}
    named = parts.vault.record_id(TENANT, "told", "Appointment", "a1")
    assert any(f"{named}/1" in str(entry) for entry in looked)
    ann = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    (group,) = parts.store.read_sync(lambda c: reactions.due(c, TENANT, "counting", 2**62, 9)) or [None]
    assert group is None
    assert ann.encode() not in b"".join(parts.store.read_sync(_boxes))


def _bodies(connection: Connection) -> Any:
    from gateway.store import recount

    return recount.audit_bodies(connection, TENANT)


def _boxes(connection: Connection) -> list[bytes]:
    from gateway.store.schema_reactors import reactor_groups

    return [bytes(box) for box in connection.execute(reactor_groups.select()).scalars() if isinstance(box, bytes)]


def test_a_damaged_member_stops_its_group_only(parts: Parts) -> None:
    """A record that cannot be opened is not left out of the count in silence: its group is told in quarantine."""
    from gateway.store.schema import changes

    parts.take(message(appointment("a1", "p1")), message(appointment("a3", "p2")))
    wanted = parts.record("Appointment", "a1")
    run(parts, parts.reacting(Counting()))
    parts.store.write_sync(
        lambda c: c.execute(changes.update().where(changes.c.record_id == wanted).values(box=b"damaged" * 9))
    )
    parts.take(message(appointment("a2", "p1")), message(appointment("a4", "p2")))
    run(parts, parts.reacting(Counting()))
    assert parts.ledger().quarantined == {"member-damaged": 1}
    assert (title(parts), title(parts, "p2")) == ("1 visits", "2 visits")


def test_pending_messages_of_reactors_are_counted(parts: Parts) -> None:
    """What a reactor handed in and nobody normalized yet is pending in the ledger, like any message."""
    parts.take(message(appointment("a1", "p1")))
    settle([parts.reacting(Counting())])
    assert parts.store.read_sync(lambda c: messages.pending_count(c, TENANT)) == 1
    assert parts.ledger().pending == 1
    assert parts.ledger().problems == []
