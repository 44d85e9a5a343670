"""Drift: a field that changes its form is held alone, told, and read again once it is settled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.flow import drift as flow_drift
from gateway.flow import quarantine
from gateway.flow.contents import open_contents
from gateway.flow.drift import Drift
from gateway.flow.drift_alarm import TOLD_AFTER, Detail
from gateway.flow.drift_form import EVERY, LEARN, RETURNS, TYPES_EVERY
from gateway.flow.drift_release import accept
from gateway.flow.drift_report import drifted
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.mapping import Mapping
from gateway.model.exchange import Item
from gateway.store import drift, journal, messages
from gateway_jane.plugin import JaneAdapter
from tests.integration.parts import NO_CONFIG, TENANT, Parts, Place

CLINIC = "clinic"
ZONE = "not-a-zone"
ROW = {
    "id": "a1", "start_at": "2026-03-02T14:00:00Z", "end_at": "2026-03-02T14:30:00Z", "staff_member_id": "s1",
    "patient_id": "p1", "location_id": "l1", "state": "booked", "booked_at": "2026-02-17T09:51:00Z",
    "checked_in_at": None, "cancelled_at": None, "cancelled_reason": None,
}  # fmt: skip


def with_clinic(parts: Parts, overlay: Path | None = None) -> Parts:
    """The same parts, with a Jane source bound as the gateway binds it."""
    adapter = JaneAdapter()
    mapping = Mapping.load(adapter.mappings, overlay, adapter.path).bind(zone="America/Chicago")
    source = Source.bind(TENANT, CLINIC, adapter, NO_CONFIG, mapping, holding=True)
    parts.sources[TENANT, CLINIC] = source
    texts = [(source.mapping_hash, "mapping", mapping.text)]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], texts))
    parts.normalizer = parts.normalizing()
    return parts


@pytest.fixture
def parts(place: Place) -> Iterator[Parts]:
    """A gateway whose Jane clinic has shown what its appointments look like."""
    opened = with_clinic(place.open())
    give(opened, *(ROW | {"id": f"seen{number}"} for number in range(LEARN)))
    yield opened
    opened.close()


def give(parts: Parts, *rows: dict[str, Any]) -> list[int]:
    """Appointments arrive and are normalized; their messages."""

    async def store() -> list[int]:
        items = [
            Item(
                body=json.dumps(row).encode(), kind="appointments", control_id=f"{row.get('id')}:{give.count + at}",
                order_key="p1", context=b'{"kind":"appointments"}',
            )
            for at, row in enumerate(rows)
        ]  # fmt: skip
        give.count += len(rows)
        return [one.message_id for one in await parts.receiver(CLINIC).accept(items)]

    found = asyncio.run(store())
    parts.settle()
    return found


give.count = 0  # type: ignore[attr-defined]  # every message has a control id of its own


def fields(parts: Parts, native_id: str) -> dict[str, Any]:
    """The appointment as it stands."""
    wanted = parts.record("Appointment", native_id, CLINIC)
    rows = parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, None, None, 1000))
    mine = [row for row in rows if bytes(row.record_id) == wanted]
    found = open_contents(parts.store, parts.vault, parts.audit, TENANT, mine, "test")
    return dict(found[wanted]["fields"]) if mine else {}


def alarms(parts: Parts) -> dict[tuple[str, str], Any]:
    """Alarms by place and what."""
    rows = parts.store.read_sync(lambda connection: drift.alarms(connection, TENANT))
    return {(row.place, row.what): row for row in rows}


def held(parts: Parts) -> dict[tuple[str, str], int]:
    """How many fields are held, by place and what."""
    found = parts.store.read_sync(lambda connection: drift.held_counts(connection, TENANT))
    return {(place, what): count for (_, _, place, what), count in found.items()}


def sound(parts: Parts) -> bool:
    """The ledger adds up and nothing waits."""
    ledger = parts.ledger()
    return ledger.problems == [] and ledger.pending == 0


def accepted(parts: Parts, place: str, what: str) -> None:
    """A person accepts it, and what is released is settled."""
    key = drift.row_key(alarms(parts)[place, what])
    accept(parts.store, parts.audit, key, "test", "one")
    parts.settle()


def test_a_new_code_costs_its_field_alone(parts: Parts) -> None:
    """The rest of the record moves on, the status stays as it was, and an alarm names the code."""
    give(parts, ROW)
    give(parts, ROW | {"state": "rescheduled", "start_at": "2026-03-03T14:00:00Z"})
    now = fields(parts, "a1")
    assert (now["start"][:10], now["status"]) == ("2026-03-03", "booked")
    alarm = alarms(parts)["state", "unmapped-code"]
    detail = msgspec.json.decode(alarm.detail, type=Detail)
    assert (alarm.state, alarm.count, detail.codes, detail.table) == ("open", 1, set(), "appointment_state")
    assert detail.fields == {"Appointment.status"}
    assert held(parts) == {("state", "unmapped-code"): 1}
    give(parts, *(ROW | {"id": f"b{number}", "state": "rescheduled"} for number in range(TOLD_AFTER - 1)))
    detail = msgspec.json.decode(alarms(parts)["state", "unmapped-code"].detail, type=Detail)
    assert detail.codes == {"rescheduled"}
    assert sound(parts)


def test_a_new_record_that_lacks_it_waits_in_quarantine(parts: Parts) -> None:
    """No appointment is made without a status: its message waits, for the reason of the field."""
    [message] = give(parts, ROW | {"id": "new", "state": "rescheduled"})
    assert parts.outcomes(message) == [("quarantined", "unmapped-code")]
    assert ("state", "unmapped-code") in alarms(parts)
    assert held(parts) == {}


def test_no_message_is_forgotten_when_no_more_can_be_held(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a message waits in quarantine as a whole, and is read once there is room; nothing is dropped."""
    monkeypatch.setattr(flow_drift, "HEED_SECONDS", 0.0)
    monkeypatch.setattr(flow_drift, "MOST_HELD", 2)
    give(parts, *(ROW | {"id": f"seen{number}", "state": "rescheduled"} for number in range(2)))
    [message] = give(parts, ROW | {"id": "seen2", "state": "rescheduled", "start_at": "2026-03-03T14:00:00Z"})
    assert parts.outcomes(message) == [("quarantined", "unmapped-code")]
    assert fields(parts, "seen2")["start"][:10] == "2026-03-02"
    assert held(parts) == {("state", "unmapped-code"): 2}
    assert alarms(parts)["state", "unmapped-code"].count == 3
    monkeypatch.setattr(flow_drift, "MOST_HELD", 3)
    [waits] = parts.store.read_sync(lambda connection: quarantine.held(connection, TENANT))
    quarantine.release(parts.store, parts.audit, TENANT, waits.id, "test")
    parts.settle()
    assert fields(parts, "seen2")["start"][:10] == "2026-03-03"
    assert held(parts) == {("state", "unmapped-code"): 3}
    assert sound(parts)


def test_a_changed_mapping_releases_it(parts: Parts, tmp_path: Path) -> None:
    """With the code in an overlay the held field follows by itself, and nothing newer is overwritten by it."""
    give(parts, ROW | {"id": "b1"}, ROW | {"id": "b2"})
    give(parts, ROW | {"id": "b1", "state": "rescheduled"}, ROW | {"id": "b2", "state": "rescheduled"})
    give(parts, ROW | {"id": "b1", "state": "rescheduled", "start_at": "2026-03-09T14:00:00Z"})
    give(parts, ROW | {"id": "b2", "state": "cancelled"})
    overlay = tmp_path / "overlay"
    (overlay / "codes").mkdir(parents=True)
    (overlay / "codes/appointment_state.toml").write_text('[codes]\nrescheduled = "no-show"\n')
    with_clinic(parts, overlay)
    parts.normalizer.start()
    parts.normalizer.stop()
    parts.settle()
    assert (fields(parts, "b1")["status"], fields(parts, "b1")["start"][:10]) == ("no-show", "2026-03-09")
    assert fields(parts, "b2")["status"] == "cancelled"
    assert held(parts) == {}
    assert alarms(parts)["state", "unmapped-code"].state == "resolved"
    assert sound(parts)


def test_a_vanished_place_holds_what_is_made_of_it(parts: Parts) -> None:
    """Without the place that says whether it is cancelled no status is made up from what is left."""
    give(parts, ROW | {"state": "arrived"})
    renamed = {name: value for name, value in ROW.items() if name != "checked_in_at"}
    give(parts, renamed | {"checked_in": None, "end_at": "2026-03-02T15:00:00Z"})
    now = fields(parts, "a1")
    assert (now["status"], now["end"][11:13]) == ("arrived", "09")
    assert alarms(parts)["checked_in_at", "vanished"].state == "open"
    accepted(parts, "checked_in_at", "vanished")
    assert fields(parts, "a1")["status"] == "booked"
    give(parts, renamed | {"state": "no_show"})
    assert fields(parts, "a1")["status"] == "no-show"
    assert alarms(parts)["checked_in_at", "vanished"].state == "accepted"
    assert held(parts) == {}


def test_a_place_that_comes_again_was_optional(parts: Parts) -> None:
    """What was missing once and comes again settles itself: nobody needs to act."""
    give(parts, {name: value for name, value in ROW.items() if name != "booked_at"})
    assert held(parts) == {("booked_at", "vanished"): 1}
    give(parts, *(ROW | {"id": f"again{number}"} for number in range(RETURNS)))
    parts.settle()
    assert held(parts) == {}
    assert alarms(parts)["booked_at", "vanished"].state == "resolved"
    assert sound(parts)


def test_content_of_another_type_is_held(parts: Parts) -> None:
    """An object where text always was is not read, whatever it says; the rest is."""
    give(parts, ROW)
    give(parts, ROW | {"cancelled_reason": {"text": "Other"}, "state": "cancelled"})
    before = fields(parts, "a1")
    give(parts, ROW | {"start_at": {"utc": "2026-03-02T14:00:00Z"}, "state": "arrived"})
    now = fields(parts, "a1")
    assert (now["start"], now["status"]) == (before["start"], "arrived")
    detail = msgspec.json.decode(alarms(parts)["start_at", "wrong-type"].detail, type=Detail)
    assert detail.types == ["object"]


def test_two_places_that_drift_at_once_are_both_held(parts: Parts) -> None:
    """Of a record that lacks one place and has another type in a second, neither is read nor made up."""
    give(parts, ROW | {"state": "arrived"})
    before = fields(parts, "a1")
    both = {name: value for name, value in ROW.items() if name != "checked_in_at"}
    for _ in range(TYPES_EVERY):
        give(parts, both | {"start_at": {"utc": "2026-03-02T14:00:00Z"}, "end_at": "2026-03-02T15:00:00Z"})
    now = fields(parts, "a1")
    assert (now["start"], now["status"], now["end"][11:13]) == (before["start"], "arrived", "09")
    assert {("checked_in_at", "vanished"), ("start_at", "wrong-type")} <= held(parts).keys()


def test_nobody_is_folded_without_an_id(parts: Parts) -> None:
    """A vanished patient fails the message: without it nobody knows whose it is."""
    [message] = give(parts, {name: value for name, value in ROW.items() if name != "patient_id"})
    assert parts.outcomes(message) == [("quarantined", "vanished")]


def test_what_is_learnt_and_held_outlives_a_crash(parts: Parts) -> None:
    """A process that ends without a word has written alarms and held fields with the batch that met them."""
    give(parts, ROW)
    parts.normalizer.stop = lambda: None  # type: ignore[method-assign]  # a killed process says nothing at its end
    parts.normalizer._drift.save()
    give(parts, ROW | {"state": "rescheduled"})
    again = with_clinic(parts.reopen())
    try:
        assert held(again) == {("state", "unmapped-code"): 1}
        give(again, {name: value for name, value in (ROW | {"id": "seen1"}).items() if name != "booked_at"})
        assert ("booked_at", "vanished") in held(again)
        accepted(again, "state", "unmapped-code")
        assert alarms(again)["state", "unmapped-code"].state == "accepted"
        assert held(again)["state", "unmapped-code"] == 1
        assert sound(again)
    finally:
        again.close()


def test_a_name_in_a_code_field_stands_in_no_table(parts: Parts) -> None:
    """What a single message sends where a code belongs may be anything: it is held and told, its text is not kept."""
    give(parts, ROW | {"state": "Maribel Quintero"})
    rows = parts.store.read_sync(lambda connection: drift.alarms(connection, TENANT))
    assert [row.what for row in rows] == ["unmapped-code"]
    assert "Maribel" not in repr(rows)


def test_operators_are_told_what_to_do(parts: Parts) -> None:
    """Each alarm has an id, words, and lines to paste: for a new code, and for a place that has another name now."""
    give(parts, ROW)
    renamed = {name: value for name, value in ROW.items() if name != "checked_in_at"} | {"checkin_at": None}
    give(parts, renamed, *(ROW | {"id": f"a{number}", "state": "rescheduled"} for number in range(2, 2 + TOLD_AFTER)))
    give(parts, *(ROW | {"id": f"more{number}", "checkin_at": None} for number in range(EVERY)))
    parts.normalizer._drift.save()
    found = parts.store.read_sync(lambda connection: drifted(connection, TENANT, parts.sources))
    by_place = {one.place: one for one in found}
    assert len({one.id for one in found}) == len(found) == 2
    code, gone = by_place["state"], by_place["checked_in_at"]
    assert (code.codes, code.overlay[-1]) == (("rescheduled",), '"rescheduled" = "booked"')
    assert gone.fields == ("Appointment.status",)
    assert 'when = "checkin_at"' in "".join(gone.overlay)
    assert code.advice
    assert gone.advice


def test_no_table_holds_a_value(parts: Parts) -> None:
    """Names, dates and words of patients are in no table of drift, whatever a source sends in which place."""
    secret = "Ulrike-Engelmann"
    give(parts, ROW)
    give(parts, ROW | {"start_at": secret, "cancelled_reason": secret, "state": secret + " and so on" * 4})
    give(parts, ROW | {"location_id": {"name": secret}, secret * 9: secret})

    def everything(connection: Any) -> str:
        told = [repr(tuple(row)) for row in drift.alarms(connection, TENANT)]
        return " ".join(told + [repr(tuple(row)) for row in drift.forms(connection, TENANT, CLINIC)])

    parts.normalizer._drift.save()
    assert held(parts)
    assert secret not in parts.store.read_sync(everything)


def test_a_message_read_again_brings_back_nothing_else(parts: Parts) -> None:
    """When newer news said the held field before the message was read again, all of the message is old."""
    give(parts, ROW)
    early = {name: value for name, value in ROW.items() if name != "booked_at"}
    give(parts, early | {"end_at": "2026-03-02T14:45:00Z"})
    key = drift.row_key(alarms(parts)["booked_at", "vanished"])
    parts.normalizer.step(TENANT)
    accept(parts.store, parts.audit, key, "test", "one")
    give(parts, ROW | {"end_at": "2026-03-02T15:00:00Z"})
    assert fields(parts, "a1")["end"][11:16] == "09:00"
    assert held(parts) == {}
    assert sound(parts)


def test_an_older_message_holds_nothing_that_a_newer_one_holds(parts: Parts) -> None:
    """A message that is read again for one field leaves what is held of others by newer messages as it is."""
    give(parts, ROW)
    give(parts, ROW | {"zone": "Nowhere", "state": "rescheduled"})
    [newer] = give(parts, ROW | {"state": "rescheduled"})
    accepted(parts, "zone", ZONE)
    key = drift.row_key(alarms(parts)["state", "unmapped-code"])
    rows = parts.store.read_sync(lambda connection: drift.held_for(connection, key, 9))
    assert [row.message_id for row in rows] == [newer]
    assert held(parts) == {("state", "unmapped-code"): 1, ("zone", ZONE): 1}


def test_a_message_that_came_late_holds_nothing(place: Place, tmp_path: Path) -> None:
    """What is older than its record is held no more than it is applied."""
    (tmp_path / "appointment.toml").write_text('[version]\nfrom = "booked_at"\nto = "instant"\n')
    parts = with_clinic(place.open(), tmp_path)
    try:
        give(parts, ROW)
        give(parts, ROW | {"booked_at": "2026-02-16T09:51:00Z", "state": "rescheduled"})
        assert held(parts) == {}
        assert sound(parts)
    finally:
        parts.close()


def test_a_message_read_again_keeps_the_patient_s_key(parts: Parts) -> None:
    """Its bytes stay under the key that goes when the patient is forgotten, even when nothing of it is news."""
    give(parts, ROW)
    [message] = give(parts, {name: value for name, value in ROW.items() if name != "booked_at"})
    before = parts.store.read_sync(lambda c: messages.outcomes_of(c, TENANT, message))[-1].key_id
    key = drift.row_key(alarms(parts)["booked_at", "vanished"])
    accept(parts.store, parts.audit, key, "test", "one")
    give(parts, ROW)
    assert parts.store.read_sync(lambda c: messages.outcomes_of(c, TENANT, message))[-1].key_id == before
    assert parts.outcomes(message)[-1][0] == "normalized"


def test_what_is_read_again_stays_where_and_whose_it_is(parts: Parts, tmp_path: Path) -> None:
    """A held field that follows later moves its record back to no former patient or location."""
    give(parts, ROW)
    give(parts, ROW | {"zone": "Nowhere"})
    give(parts, ROW | {"patient_id": "p2", "location_id": "l2"})
    (tmp_path / "appointment.toml").write_text('[fields.zone]\nvalue = "America/Denver"\n')
    with_clinic(parts, tmp_path)
    parts.normalizer.start()
    parts.normalizer.stop()
    parts.settle()
    wanted = parts.record("Appointment", "a1", CLINIC)
    last = parts.store.read_sync(lambda connection: journal.history(connection, TENANT, wanted))[-1]
    assert fields(parts, "a1")["zone"] == "America/Denver"
    assert bytes(last.patient) == parts.record("Patient", "p2", CLINIC)
    assert bytes(last.location) == parts.record("Location", "l2", CLINIC)


def test_what_is_released_while_its_message_is_read_again_is_read_too(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second alarm that a person accepts at that moment is not lost on the message."""
    give(parts, ROW | {"state": "arrived"})
    give(parts, {name: value for name, value in ROW.items() if name not in ("booked_at", "checked_in_at")})
    second = drift.row_key(alarms(parts)["checked_in_at", "vanished"])
    plain, times = Drift.notes, iter(range(9))

    def notes(self: Drift, *arguments: Any) -> Any:
        if next(times) == 0:
            accept(parts.store, parts.audit, second, "test", "two")
        return plain(self, *arguments)

    monkeypatch.setattr(Drift, "notes", notes)
    accepted(parts, "booked_at", "vanished")
    assert fields(parts, "a1")["status"] == "booked"
    assert held(parts) == {}
    assert sound(parts)
