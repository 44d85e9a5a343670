"""What senders are owed for what they sent: nothing unless it is asked for, and then once."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.mapping import Mapping
from gateway.model.acknowledgement import Acknowledgement
from gateway.model.exchange import Item
from gateway.model.submission import Submission
from gateway.wire.x12_acknowledge import OWED, functional_acknowledgements, received
from gateway.wire.x12_cut import cut
from gateway.wire.x12_write import Envelope, interchange
from gateway_x12.simulator import file_835
from gateway_x12.translate import normalizer
from tests.unit.adapters.x12.remittances import ADAPTER

FILE = file_835(1, 3, transactions=2)


def owed(data: bytes, *kinds: str) -> list[Item]:
    return [part for part in cut([data], 1 << 20, frozenset(kinds)) if isinstance(part, Item) and part.kind == OWED]


def asking(data: bytes) -> bytes:
    """The same interchange with ISA14 set: its sender wants a TA1."""
    elements = data[:105].split(b"*")
    elements[14] = b"1"
    return b"*".join(elements) + data[105:]


def test_nobody_is_answered_unless_the_source_says_so():
    """Without the setting a file makes the messages it always made."""
    assert owed(FILE) == []


@pytest.mark.parametrize(
    ("data", "kinds", "note", "groups"),
    [
        (FILE, ["999"], None, ["HP"]),
        (FILE, ["TA1"], "none", []),
        (asking(FILE), ["TA1"], "000", []),
        (FILE.replace(b"IEA*1*", b"IEA*2*"), ["TA1"], "021", []),
        (FILE[: FILE.rindex(b"SE*")], ["TA1", "999"], "023", ["HP"]),
    ],
    ids=["999", "no TA1 asked for", "TA1 asked for", "refused", "cut off"],
)
def test_a_sender_is_owed_what_the_source_and_the_standard_say(data, kinds, note, groups):
    """A TA1 goes to who asks for one or is refused, a 999 says of each group what its envelope shows."""
    found = [msgspec.json.decode(one.body, type=Acknowledgement) for one in owed(data, *kinds)]
    if note == "none":
        assert found == []
        return
    assert [(one.note, [group.id for group in one.groups]) for one in found] == [(note, groups)]


def test_acknowledgements_and_what_lies_in_them_are_owed_nothing():
    """Two systems that answered each other's 999 would never stop."""
    envelope = Envelope(sender="CH001", receiver="SUBM001", control=1, made=datetime(2026, 7, 14, 9, 30, tzinfo=UTC))
    (one,) = received(FILE)
    answer = interchange(envelope, functional_acknowledgements(one))
    assert owed(answer, "TA1", "999") == []


def test_a_segment_that_cannot_be_read_refuses_its_set_only():
    """The 999 names the set (IK5 R 5) and accepts the other one of the group."""
    at = FILE.index(b"~", FILE.index(b"CLP*"))
    (one,) = owed(FILE[:at] + b"*" + b"9" * 70_000 + FILE[at:], "999")
    (group,) = msgspec.json.decode(one.body, type=Acknowledgement).groups
    assert (group.received, group.accepted) == (2, 1)
    assert [each.codes for each in group.sets] == [("5",), ()]


def test_what_is_owed_becomes_one_document_however_often_the_file_comes():
    """The document is named by the interchange, so a file that comes again changes nothing."""
    normalize = normalizer(Mapping.load(ADAPTER.mappings, None, ADAPTER.path))
    (item,) = owed(FILE, "TA1", "999")
    (patch,) = normalize(item.body, item.context).patches
    assert (patch.type, patch.native_id) == ("Submission", "HARBOR01/000000001/260714/0930")
    document = msgspec.convert(patch.fields, Submission)
    assert document.kind == "acknowledgement"
    assert document.acknowledgement is not None
    assert document.acknowledgement.sender == "HARBOR01"
    assert owed(FILE, "TA1", "999") == [item]
