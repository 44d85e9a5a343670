"""Aliases: what refers to a record by another name leads to it, whichever of the two comes first."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from gateway.flow.aliases import Waking
from gateway.flow.contents import open_contents
from gateway.model.identity import ALIAS
from gateway.store import aliases, journal
from tests.integration.parts import TENANT, Parts, appointment, merged, message, patient, removed
from tests.integration.test_flow_shred import readable, shred, sound

MRN = "urn:mrn|7"


def named(native_id: str, family: str = "Roe", *names: str) -> dict[str, Any]:
    """A patient whom the source calls by other names as well."""
    return patient(native_id, family) | {"aliases": names or (MRN,)}


def by_name(native_id: str = "a1", **fields: Any) -> dict[str, Any]:
    """An appointment of the patient of that number."""
    return appointment(native_id, ALIAS + MRN, **fields)


def versions(parts: Parts, kind: str, native_id: str) -> list[bytes | None]:
    """Whose each version of a record is."""
    wanted = parts.record(kind, native_id)
    found = parts.store.read_sync(lambda connection: journal.history(connection, TENANT, wanted))
    return [None if row.patient is None else bytes(row.patient) for row in found]


def fields(parts: Parts, kind: str, native_id: str) -> dict[str, Any]:
    """The newest content of a record."""
    wanted = parts.record(kind, native_id)
    rows = parts.store.read_sync(lambda connection: journal.recent_records(connection, TENANT, None, None, 1000))
    mine = [row for row in rows if bytes(row.record_id) == wanted]
    return dict(open_contents(parts.store, parts.vault, parts.audit, TENANT, mine, "test")[wanted]["fields"])


def waiting(parts: Parts) -> int:
    """How many records wait for a name."""
    found = parts.store.read_sync(partial(aliases.waits_after, tenant=TENANT, after=(b"", b""), most=100))
    return len(found)


def test_what_came_before_its_target_is_read_again(parts: Parts) -> None:
    """The record then is the target's and refers to it; nothing waits on, and the ledger adds up."""
    parts.take(message(by_name()))
    assert versions(parts, "Appointment", "a1") == [parts.record("Patient", ALIAS + MRN)]
    assert waiting(parts) == 1
    parts.take(message(named("p1")))
    roe = parts.record("Patient", "p1")
    assert versions(parts, "Appointment", "a1")[-1] == roe
    assert fields(parts, "Appointment", "a1")["patient"] == str(UUID(bytes=roe))
    assert waiting(parts) == 0
    sound(parts)


def test_what_comes_with_or_after_its_target_is_right_at_once(parts: Parts) -> None:
    """Also in one batch and before it: no version leads elsewhere first."""
    parts.take(message(by_name("a0")), message(named("p1")), message(by_name("a1")))
    parts.take(message(by_name("a2")))
    roe = parts.record("Patient", "p1")
    assert [versions(parts, "Appointment", one) for one in ("a0", "a1", "a2")] == [[roe], [roe], [roe]]
    assert waiting(parts) == 0


def test_a_name_that_two_records_claim_leads_to_neither(parts: Parts) -> None:
    """Until one of them is gone or was merged into the other: that is found by going through what waits."""
    parts.take(message(named("p1")), message(named("p2", "Doe")), message(by_name()))
    nobody = parts.record("Patient", ALIAS + MRN)
    assert versions(parts, "Appointment", "a1") == [nobody]
    parts.take(message(merged("p2", "p1") | {"aliases": ()}))
    parts.normalizer = parts.normalizing()
    parts.settle()
    assert versions(parts, "Appointment", "a1")[-1] == parts.record("Patient", "p1")
    assert waiting(parts) == 0


def test_a_removed_record_is_meant_no_more(parts: Parts) -> None:
    """What refers by its name afterwards waits for the next one that has it."""
    parts.take(message(named("p1")))
    parts.take(message(removed("Patient", "p1", "p1") | {"aliases": ()}))
    parts.take(message(by_name()))
    assert waiting(parts) == 1
    parts.take(message(named("p3")))
    assert versions(parts, "Appointment", "a1")[-1] == parts.record("Patient", "p3")


def test_an_older_message_does_not_undo_a_newer_one(parts: Parts) -> None:
    """A record that was told of since, without the name, stays as it was told."""
    parts.take(message(by_name(reason="old")))
    parts.take(message(appointment("a1", "p9", reason="new")))
    parts.take(message(named("p1")))
    assert fields(parts, "Appointment", "a1")["reason"] == "new"
    assert waiting(parts) == 0


def test_a_repeat_that_changes_nothing_still_waits(parts: Parts) -> None:
    """Polled again and found equal, the record is resolved all the same when its target comes."""
    parts.take(message(by_name(), control="first"))
    parts.take(message(by_name(), control="second"))
    parts.take(message(named("p1")))
    assert versions(parts, "Appointment", "a1")[-1] == parts.record("Patient", "p1")


def test_a_lost_wake_is_made_good_after_a_restart(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ended after it wrote the target and before it woke what waits leaves nothing behind."""
    parts.take(message(by_name()))
    with monkeypatch.context() as ended:
        ended.setattr(Waking, "turn", lambda self, tenant: 0)
        parts.take(message(named("p1")))
    assert waiting(parts) == 1
    parts.normalizer = parts.normalizing()
    parts.settle()
    assert versions(parts, "Appointment", "a1")[-1] == parts.record("Patient", "p1")


def test_more_than_a_page_is_read_again(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payer that half a store refers to costs each batch a page only, and in the end nothing waits."""
    monkeypatch.setattr("gateway.flow.aliases.PAGE", 4)
    parts.take(*(message(by_name(f"a{number}")) for number in range(11)))
    parts.take(message(named("p1")))
    assert waiting(parts) == 0
    sound(parts)


def test_what_tells_more_of_a_record_by_its_name_makes_none(parts: Parts) -> None:
    """A contact of a patient who is known by a number alone is added once the patient is there, under its own id."""
    contact = patient(ALIAS + MRN, language="es")
    parts.take(message(contact))
    assert versions(parts, "Patient", ALIAS + MRN) == []
    parts.take(message(named("p1")))
    assert fields(parts, "Patient", "p1")["language"] == "es"
    assert versions(parts, "Patient", ALIAS + MRN) == []


def test_shredding_takes_what_was_kept_under_the_name(parts: Parts) -> None:
    """The version that was read before the target came lies under the name's key, which goes with the patient's."""
    parts.take(message(by_name()))
    parts.take(message(named("p1")))
    assert readable(parts, "Appointment", "a1") == [True, True]
    shred(parts, "p1")
    assert readable(parts, "Appointment", "a1") == [False, False]
    parts.take(message(by_name("a5")))
    assert versions(parts, "Appointment", "a5") == []
    sound(parts)
