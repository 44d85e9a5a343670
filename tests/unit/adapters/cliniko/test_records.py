"""Pages into rows, saved pages into messages, and the strict check."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import LimitExceeded
from gateway.model.exchange import Finding, Item
from gateway_cliniko import records_page, strict
from gateway_cliniko.simulator import ClinikoSimulator
from tests.unit.adapters.cliniko.account import ADAPTER, CLINIC, config

ROW = b'{ "id" : "7" ,"updated_at":"2026-01-05T09:12:44.5+02:00", "first_name":"\\u00c4" }'
PAGE = b'{"patients" : [' + ROW + b', {"id":8,"updated_at":"2026-01-05T09:12:45Z"}], "total_entries":2,"links":{}}'


def test_rows_keep_their_exact_bytes() -> None:
    """White space and escapes inside an item are stored as they came; times are whole seconds in UTC."""
    page = records_page.read_page(PAGE, "patients")
    assert page.rows[0].body == ROW
    assert [row.id for row in page.rows] == ["7", "8"]
    assert records_page.stamp(page.rows[0].updated_at) == "2026-01-05T07:12:44Z"


@pytest.mark.parametrize("cut", range(1, len(PAGE), 7))
def test_a_cut_page_is_never_read(cut: int) -> None:
    """No beginning of a page passes for a page."""
    with pytest.raises(msgspec.DecodeError):
        records_page.read_page(PAGE[:cut], "patients")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"patients":[]}', b'{"patients":{},"total_entries":0}', b'{"patients":[],"total_entries":"1"}',
     b'{"patients":[],"total_entries":-1}', b'{"other":[],"total_entries":0}'],
)  # fmt: skip
def test_another_shape_is_not_a_page(body: bytes) -> None:
    """JSON that is not the documented envelope is told from a cut one."""
    with pytest.raises(msgspec.ValidationError):
        records_page.read_page(body, "patients")


def test_a_saved_page_is_recognized_and_cut() -> None:
    """A page saved as a file gives the same messages as polling, byte by byte or whole."""
    assert ADAPTER.recognize(PAGE[:40])
    assert not ADAPTER.recognize(b'{"resourceType":"Patient"}')
    for size in (1, 10, len(PAGE)):
        chunks = (PAGE[at : at + size] for at in range(0, len(PAGE), size))
        found = list(ADAPTER.cut(chunks, config()))
        assert [type(one) for one in found] == [Item, Item]
        assert found[0].body == ROW
    damaged = list(ADAPTER.cut([PAGE[:-5]], config()))
    assert [type(one) for one in damaged] == [Finding]


def test_a_saved_page_has_a_size_limit() -> None:
    """A file that never ends is refused before it fills the memory."""
    with pytest.raises(LimitExceeded):
        list(ADAPTER.cut((b" " * 2**20 for _ in range(100)), config()))


def test_the_simulator_keeps_to_the_schema() -> None:
    """Every row of the simulated clinic passes the strict check."""
    simulator = ClinikoSimulator(CLINIC)
    for kind in strict.SCHEMA:
        for row in simulator.tables[kind].values():
            assert strict.check(kind, msgspec.json.encode(row)) == []


def test_strict_tells_every_difference_by_its_field() -> None:
    """Missing, undocumented, mistyped, too long and unlisted values are each named, none is repeated."""
    body = msgspec.json.encode(
        {
            "id": 5, "updated_at": "2026-01-05", "links": {"self": "https://x/1"}, "first_name": None,
            "email": "S" * 300, "reminder_type": "SECRET", "SECRET_FIELD": 1, "date_of_birth": "2026-13-01",
        }
    )  # fmt: skip
    findings = strict.check("patients", body)
    assert {(one.reason, one.where) for one in findings} == {
        ("missing-field", "created_at"),
        ("wrong-type", "id"),
        ("wrong-type", "updated_at"),
        ("wrong-type", "first_name"),
        ("wrong-type", "email"),
        ("wrong-type", "reminder_type"),
        ("wrong-type", "date_of_birth"),
        ("undocumented-field", "SECRET_FIELD"),
    }
    assert all("SECRET" not in one.what for one in findings)
    assert [one.reason for one in strict.check("patients", b"[1")] == ["not-an-object"]
