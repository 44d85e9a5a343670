"""Fold: what a message's patches make of the records as they stand."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.flow.link import LinkedPatch, link
from gateway.flow.merge import Current, fold_message, open_body, open_stored
from gateway.model.identity import RecordId, Ref
from gateway.model.patch import Patch


def digest(data: bytes) -> bytes:
    """A digest without a key."""
    return hashlib.sha256(data).digest()


def ids(kind: str, native_id: str) -> RecordId:
    """An id of a record."""
    return RecordId(str(UUID(bytes=digest(f"{kind}/{native_id}".encode())[:16])))


def linked(**patch: Any) -> LinkedPatch:
    """A patch of a patient."""
    return link(Patch(**{"type": "Patient", "native_id": "p1", "patient": "p1"} | patch), ids)


def fold(*patches: LinkedPatch, currents: dict[bytes, Current] | None = None) -> tuple[Any, dict[bytes, Current]]:
    """Fold one message."""
    return fold_message(patches, currents or {}, digest)


LANGUAGES = st.fixed_dictionaries({}, optional={"language": st.none() | st.text(max_size=5)})
MESSAGES = st.lists(st.lists(LANGUAGES, max_size=3), max_size=8)


@settings(deadline=None)
@given(MESSAGES)
def test_versions_count_what_changed(messages: list[list[dict[str, Any]]]) -> None:
    """Each change is one version, folding the same message again changes nothing, and the body holds the fields."""
    currents: dict[bytes, Current] = {}
    expected: dict[str, Any] = {}
    for message in messages:
        patches = [linked(fields=fields) for fields in message]
        folded, moved = fold(*patches, currents=currents)
        currents |= moved
        versions = [change.current.version for change in folded.changes]
        last = currents[patches[0].record_id].version if patches else 0
        assert versions == list(range(last - len(versions) + 1, last + 1))
        for fields in message:
            expected |= fields
        for change in folded.changes[-1:]:
            native_id, stored = open_stored(change.body)
            assert native_id == "p1"
            assert stored == {name: value for name, value in expected.items() if value is not None}
            assert b"native_id" not in open_body(change.body)
        if len(message) == 1:
            assert fold(*patches, currents=currents)[0].changes == ()


def test_a_message_is_folded_whole_or_not_at_all() -> None:
    """When one of its patches makes no valid record, nothing of the message is given out."""
    good, bad = linked(fields={"language": "en"}), linked(native_id="p2", fields={"language": 5})
    with pytest.raises(InvalidContent):
        fold(good, bad)


def test_older_is_stale() -> None:
    """A patch with an older version than the record's is counted as stale; without a version it is taken as newest."""
    _, currents = fold(linked(fields={"language": "en"}, source_version="2"))
    folded, _ = fold(linked(fields={"language": "fr"}, source_version="1"), currents=currents)
    assert (folded.stale, folded.changes) == (set(currents), ())
    folded, _ = fold(linked(fields={"language": "fr"}), currents=currents)
    assert len(folded.changes) == 1


def test_changes_stand_at_their_record_s_location() -> None:
    """A patch that leaves the location out, and a removal, are news of where the record is: routes filter by it."""
    times = {"start": datetime(2026, 3, 2, 14, tzinfo=UTC), "end": datetime(2026, 3, 2, 15, tzinfo=UTC)}
    one = {"type": "Appointment", "native_id": "a1", "patient": "p1"}
    where = {"status": "booked", "location": Ref("Location", "l1"), "zone": "America/Chicago"} | times
    here = UUID(ids("Location", "l1")).bytes
    folded, currents = fold(linked(**one, fields=where))
    assert folded.changes[0].location == here
    folded, moved = fold(linked(**one, fields={"status": "arrived"}), currents=currents)
    assert folded.changes[0].location == here
    folded, _ = fold(linked(**one, operation="remove"), currents=currents | moved)
    assert folded.changes[0].location == here


def test_a_merge_names_the_survivor() -> None:
    """The prior patient becomes a record that was merged, also when it was never seen, and only once."""
    merge = linked(operation="merge", into="p2")
    folded, currents = fold(merge)
    (change,) = folded.changes
    assert (change.kind, change.into) == ("merged", UUID(ids("Patient", "p2")).bytes)
    assert fold(merge, currents=currents)[0].changes == ()
    assert len(fold(linked(operation="merge", into="p3"), currents=currents)[0].changes) == 1


def test_references_work_before_their_target_came() -> None:
    """A reference anywhere in the fields becomes the target's id, and the location is told for filters."""
    patch = link(
        Patch(
            type="Appointment", native_id="a1", patient="p1",
            fields={"patient": Ref("Patient", "p1"), "location": Ref("Location", "l1"),
                    "x": [{"y": Ref("Claim", "c")}]},
        ),
        ids,
    )  # fmt: skip
    assert patch.fields["patient"] == ids("Patient", "p1")
    assert patch.fields["x"] == [{"y": ids("Claim", "c")}]
    assert patch.location == UUID(ids("Location", "l1")).bytes
    assert patch.patient == UUID(ids("Patient", "p1")).bytes


@pytest.mark.parametrize("version", ["v" * 65, "a\nb", "\x00"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    """A source version that no column can hold is the message's fault, told without the value."""
    with pytest.raises(InvalidContent) as refused:
        linked(source_version=version)
    assert version not in str(refused.value)


MERGED = {"operation": "merge", "into": "p2", "fields": {"merged_into": Ref("Patient", "p2")}}


def test_an_unmerge_takes_a_merge_back() -> None:
    """The prior patient is one of its own again, at a barrier with the other; where no merge stands nothing changes."""
    _, currents = fold(linked(fields={"language": "en"}, source_version="1"))
    apart = linked(operation="unmerge", into="p2", source_version="3")
    assert fold(apart, currents=currents)[0].changes == ()
    assert fold(apart)[0].changes == ()
    currents |= fold(linked(**MERGED, source_version="2"), currents=currents)[1]
    other = linked(operation="unmerge", into="p3", source_version="3")
    assert fold(other, currents=currents)[0].changes == ()
    folded, moved = fold(apart, currents=currents)
    (change,) = folded.changes
    assert (change.kind, change.into) == ("updated", apart.into)
    assert open_stored(change.body)[1] == {"language": "en", "active": True}
    assert moved[apart.record_id].version == 3


def test_a_merge_is_not_lost_to_newer_news() -> None:
    """A merge that was overtaken counts, and keeps the newer version; one from before a separation does not."""
    _, currents = fold(linked(fields={"language": "en"}, source_version="5"))
    folded, moved = fold(linked(**MERGED, source_version="4"), currents=currents)
    assert [change.kind for change in folded.changes] == ["merged"]
    assert folded.changes[0].current.source_version == "5"
    currents |= moved
    currents |= fold(linked(operation="unmerge", into="p2", source_version="6"), currents=currents)[1]
    folded, _ = fold(linked(**MERGED, source_version="4"), currents=currents)
    assert (folded.changes, len(folded.stale)) == ((), 1)


def charges(*items: tuple[str | None, str]) -> LinkedPatch:
    """A message with charges by number and units."""
    lines = [
        {"procedure_code": "97110", "units": Decimal(units)} | ({"number": number} if number else {})
        for number, units in items
    ]
    return linked(type="Visit", native_id="v1", operation="collect", fields={"charges": lines})


def test_collected_lists_add_up() -> None:
    """Lines of later messages are added; one with a known number takes its place, an equal one changes nothing."""
    currents: dict[bytes, Current] = {}
    for message in (
        charges(("a", "1"), (None, "7")), charges(("b", "2")), charges(("a", "3")), charges((None, "7")),
    ):  # fmt: skip
        _, moved = fold(message, currents=currents)
        currents |= moved
    (visit,) = currents.values()
    assert visit.fields is not None
    found = [(line.get("number"), line["units"]) for line in visit.fields["charges"]]
    assert found == [("a", "3"), (None, "7"), ("b", "2")]
    for repeated in (charges((None, "7")), charges(("a", "3"))):
        assert fold(repeated, currents=currents)[0].changes == ()
    twice, _ = fold(charges((None, "7"), (None, "7")), currents=currents)
    assert len(twice.changes[0].current.fields["charges"]) == 4  # type: ignore[index]  # a new version has fields


NAMES = st.sampled_from(["p1", "p2", "p3"])
STEPS = st.lists(
    st.tuples(NAMES, NAMES, st.sampled_from(["upsert", "merge", "unmerge"]), st.sampled_from(["1", "2", "3"])),
    max_size=12,
)


@settings(deadline=None)
@given(STEPS, st.lists(st.booleans(), min_size=12, max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_batches_and_crashes_end_as_one_by_one(
    steps: list[tuple[str, str, str, str]], cuts: list[bool], crashes: list[bool]
) -> None:
    """Merges, separations and news, in any batches, some done again after a crash, end as if done one by one."""

    def message(number: int) -> LinkedPatch:
        name, other, operation, version = steps[number]
        plain: dict[str, Any] = {"native_id": name, "patient": name, "source_version": version, "operation": operation}
        if operation == "upsert" or name == other:
            return linked(**plain | {"operation": "upsert", "fields": {"language": f"l{number}"}})
        fields = {"merged_into": Ref("Patient", other)} if operation == "merge" else {}
        return linked(**plain | {"into": other, "fields": fields})

    one_by_one: dict[bytes, Current] = {}
    for number in range(len(steps)):
        one_by_one |= fold(message(number), currents=one_by_one)[1]
    stored: dict[bytes, Current] = {}
    batch: dict[bytes, Current] = {}
    begun = 0
    for number in range(len(steps)):
        batch |= fold(message(number), currents=stored | batch)[1]
        if cuts[number] or number == len(steps) - 1:
            if crashes[number]:  # nothing of the batch was committed: it is done again from what is stored
                batch = {}
                for again in range(begun, number + 1):
                    batch |= fold(message(again), currents=stored | batch)[1]
            stored |= batch
            batch, begun = {}, number + 1
    assert {key: plain_state(one) for key, one in stored.items()} == {
        key: plain_state(one) for key, one in one_by_one.items()
    }
    for one in stored.values():
        assert one.fields is not None
        assert ("merged_into" in one.fields) == (one.fields.get("active") is False)


def plain_state(current: Current) -> tuple[int, str, dict[str, Any] | None]:
    """What must be the same however a record came about."""
    return current.version, current.source_version, current.fields
