"""Merges and unlinks: who stays, who is separated, and what is never guessed."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidContent
from gateway.model.identity import Ref
from tests.unit.adapters.hl7.told import normalize


def test_a_merge_says_who_stays():
    """A40: the prior patient of each MRG is merged into the PID before it, pair by pair."""
    result = normalize(
        "ADT^A40^ADT_A39", "PID|1||1^^^A^MR||ONE", "MRG|x^^^A^PI~11^^^A^MR", "PID|2||2^^^A^MR||TWO", "MRG|22",
    )  # fmt: skip
    assert [(patch.operation, patch.native_id, patch.into) for patch in result.patches] == [
        ("upsert", "1", None), ("merge", "11", "1"), ("upsert", "2", None), ("merge", "22", "2"),
    ]  # fmt: skip
    assert result.patches[1].fields == {"merged_into": Ref("Patient", "1")}
    assert result.patches[1].source_version == result.patches[0].source_version
    assert result.patches[2].fields["name"] == {"family": "TWO"}


@pytest.mark.parametrize(
    ("segments", "where"),
    [(["PID|1||1"], "MRG"), (["MRG|1"], "MRG"), ([], "MRG-1"), (["PID|1||1", "MRG|"], "MRG-1"),
     (["PID|1||1", 'MRG|""'], "MRG-1"), (["PID|1||", "MRG|2"], "PID-3"),
     (["PID|1||1", "PID|2||2", "MRG|3"], "MRG")],
)  # fmt: skip
def test_a_merge_that_does_not_name_both_is_refused(segments, where):
    """Half a merge is never guessed."""
    with pytest.raises(InvalidContent) as caught:
        normalize("ADT^A40", *segments)
    assert (caught.value.reason, caught.value.where) == ("missing-id", where)


def test_a_patient_merged_into_itself_is_only_updated():
    """A40 with the same id on both sides changes the patient and merges nobody."""
    assert [patch.operation for patch in normalize("ADT^A40", "PID|1||1", "MRG|1").patches] == ["upsert"]


def test_an_unlink_separates_both_ways():
    """A37 does not say who was merged away: either is separated from the other, and one PID alone is refused."""
    result = normalize("ADT^A37", "PID|1||1^^^A^MR||ONE", "PV1|1", "PID|2||2^^^A^MR||TWO")
    assert [(patch.operation, patch.native_id, patch.into) for patch in result.patches] == [
        ("upsert", "1", None), ("upsert", "2", None), ("unmerge", "1", "2"), ("unmerge", "2", "1"),
    ]  # fmt: skip
    with pytest.raises(InvalidContent):
        normalize("ADT^A37", "PID|1||1")
