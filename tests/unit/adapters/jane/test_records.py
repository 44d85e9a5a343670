"""Pages and saved files: links, damaged items, order keys, control ids."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import InvalidContent, LimitExceeded
from gateway.model.exchange import Finding
from gateway_jane.records import Context, cut_page, decode, is_page, read_page, read_row

ITEM = b'{"id":"a-1","patient_id":"p-1","start_at":"2026-01-07T17:00:00Z"}'


def page(*items: bytes, more: bytes = b"") -> bytes:
    return b'{"items":[' + b",".join(items) + b"]" + more + b"}"


def test_items_keep_their_exact_bytes() -> None:
    """Spaces and order of keys are the vendor's; patient and treatment are read."""
    spaced = ITEM.replace(b",", b" , ")
    (row,) = read_page(page(spaced)).rows
    assert (row.body, row.id, row.patient, row.treatment) == (spaced, "a-1", "p-1", None)


@pytest.mark.parametrize(
    ("more", "after"),
    [
        (b"", None),
        (b',"links":{"after":"/x?page=2"},"hasNextPage":true', "/x?page=2"),
        (b',"links":{"after":"/x?page=2"},"hasNextPage":false', None),
    ],
)
def test_a_further_page_is_where_the_list_says_so(more: bytes, after: str | None) -> None:
    """Only when hasNextPage is true."""
    assert read_page(page(ITEM, more=more)).after == after


def test_a_further_page_without_a_link_is_another_shape() -> None:
    """What would lose the rest is not taken for the end."""
    with pytest.raises(msgspec.ValidationError):
        read_page(page(ITEM, more=b',"hasNextPage":true'))


@pytest.mark.parametrize("bad", [b"{}", b'{"id":""}', b'{"id":7}', b'{"id":"a b"}', b"3"])
def test_an_item_without_a_usable_id_does_not_stop_the_others(bad: bytes) -> None:
    """It becomes a finding with its place and bytes."""
    found = read_page(page(bad, ITEM))
    assert [one.id for one in found.rows] == ["a-1"]
    assert [(one.where, one.body) for one in found.findings] == [("items[0]", bad)]


def test_a_control_id_holds_no_patients_id() -> None:
    """Neither of the patient's own item nor of an appointment; the order key does."""
    mine = read_row(b'{"id":"p-1"}').item(Context("patients"))
    booked = read_row(ITEM).item(Context("appointments"))
    assert (mine.order_key, booked.order_key) == ("p-1", "p-1")
    assert "p-1" not in mine.control_id + booked.control_id


def test_a_saved_page_is_cut_by_the_fields_of_its_items() -> None:
    """Appointments, patients, locations and staff are told apart; anything else is a finding."""
    items = [
        ITEM,
        b'{"id":"2","date_of_birth":"2000-01-01"}',
        b'{"id":"3","street_address":"x"}',
        b'{"id":"4","bio":""}',
    ]
    body = page(*items, b'{"id":"5"}')
    *known, other = cut_page([body[:20], body[20:]])
    assert [one.kind for one in known] == ["appointments", "patients", "locations", "staff_members"]
    assert isinstance(other, Finding)
    assert is_page(body)
    assert not is_page(b'{"data":[]}')
    assert [one.reason for one in cut_page([b"{"])] == ["unreadable-page"]


def test_a_file_without_end_is_refused() -> None:
    """More than 16 MiB is not held."""
    with pytest.raises(LimitExceeded):
        list(cut_page(b" " * 2**20 for _ in range(17)))


def test_what_is_no_object_is_refused_without_its_bytes() -> None:
    """The error names the body and nothing in it."""
    with pytest.raises(InvalidContent) as told:
        decode(b'["Roe"]')
    assert "Roe" not in str(told.value)
