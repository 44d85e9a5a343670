"""Lists of records: in order and in pages, found by the index made for them however many records there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from gateway.store import journal, reading
from gateway.store.reading import Place, Wanted
from tests.integration.parts import TENANT, Parts, appointment, message, patient, removed


def filled(parts: Parts) -> list[bytes]:
    """Two patients of two appointments each, one of them gone; ids of all appointments."""
    for name in ("p1", "p2"):
        parts.take(
            message(patient(name, "Family")), message(appointment(f"a-{name}", name)),
            message(appointment(f"b-{name}", name)),
        )  # fmt: skip
    parts.take(message(removed("Appointment", "b-p2", of="p2"), key="p2"))
    return [parts.record("Appointment", f"{letter}-{name}") for letter in "ab" for name in ("p1", "p2")]


def listed(parts: Parts, wanted: Wanted, after: Place | None = None, most: int = 10) -> list[Any]:
    return list(parts.store.read_sync(lambda connection: reading.listed(connection, TENANT, wanted, after, most)))


OTHER_WAYS = ("seqscan", "sort", "bitmapscan", "hashjoin", "mergejoin")
"""What PostgreSQL does while a table is small, and does still where no index leads to the rows in their order."""


def plans_of(parts: Parts, ask: Callable[[Any], Any]) -> list[str]:
    """How the store goes through its records, sorting included, for what is asked."""
    plans: list[str] = []
    embedded = parts.store.dialect == "sqlite"

    def query(connection: Any) -> None:
        asked: list[tuple[str, Any]] = []

        def noted(_: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", noted)
        ask(connection)
        event.remove(connection, "before_cursor_execute", noted)
        for way in () if embedded else OTHER_WAYS:
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        for statement, parameters in asked:
            words = "EXPLAIN QUERY PLAN" if embedded else "EXPLAIN (COSTS OFF)"
            rows = connection.exec_driver_sql(f"{words} {statement}", parameters).fetchall()
            plans.extend(str(row[3 if embedded else 0]) for row in rows)

    parts.store.read_sync(query)
    return [plan for plan in plans if any(word in f"{plan} " for word in (" records ", "B-TREE", "Sort", "Seq Scan"))]


def test_named_records_come_in_the_order_of_lists(parts: Parts) -> None:
    """By id the same rows come as by list, without what is gone or of another type, from page to page."""
    ids = filled(parts)
    plain = [bytes(row.record_id) for row in listed(parts, Wanted("Appointment"))]
    named = Wanted("Appointment", ids=[*ids, parts.record("Patient", "p1"), b"nobody"])
    assert [bytes(row.record_id) for row in listed(parts, named)] == plain
    first = listed(parts, named, most=2)
    rest = listed(parts, named, Place(bytes(first[-1].patient), bytes(first[-1].record_id)), most=2)
    assert [bytes(row.record_id) for row in [*first, *rest]] == plain
    gone = listed(parts, Wanted("Appointment", ids=ids, removed=True))
    assert [bytes(row.record_id) for row in gone] == [parts.record("Appointment", "b-p2")]
    assert listed(parts, Wanted("Appointment", patient=parts.record("Patient", "p1"), ids=[ids[1]])) == []


@pytest.mark.parametrize("case", ["all", "patient", "page", "ids"])
def test_no_list_looks_through_all_records_of_a_tenant(parts: Parts, case: str) -> None:
    """A type's records are found by type and patient, and named ones by id, in the order they are shown in.

    Never by tenant alone. PostgreSQL chooses by its statistics: there an index has to lead to each of them in order.
    """
    ids = filled(parts)
    owner = parts.record("Patient", "p1")
    wanted, after = {
        "all": (Wanted("Appointment"), None), "patient": (Wanted("Appointment", patient=owner), None),
        "page": (Wanted("Appointment"), Place(owner, ids[0])), "ids": (Wanted("Appointment", ids=ids), None),
    }[case]  # fmt: skip
    looks = plans_of(parts, lambda connection: reading.listed(connection, TENANT, wanted, after, 10))
    assert looks
    if parts.store.dialect != "sqlite":
        assert all("using records_" in plan for plan in looks), looks
        return
    by = "record_id=?" if case == "ids" else "type=? AND patient"
    assert all(by in plan for plan in looks), looks


@pytest.mark.parametrize(
    ("type", "owned", "by"),
    [
        (None, False, "(tenant=?)"), ("Appointment", False, "type=?"), (None, True, "type=? AND patient=?"),
        ("Appointment", True, "type=? AND patient=?"),
    ],
)  # fmt: skip
def test_fifty_records_are_had_without_sorting_all_of_a_tenant(
    parts: Parts, type: str | None, owned: bool, by: str
) -> None:
    """`gateway records` reads as many rows as it shows, in the index's own order, with the same records as ever."""
    filled(parts)
    owner = parts.record("Patient", "p1") if owned else None
    rows = parts.store.read_sync(lambda c: journal.recent_records(c, TENANT, type, owner, None))
    assert len(rows) == {(None, False): 6, ("Appointment", False): 4, (None, True): 3}.get((type, owned), 2)
    looks = plans_of(parts, lambda c: journal.recent_records(c, TENANT, type, owner, 50))
    if parts.store.dialect != "sqlite":
        assert looks
        assert all("using records_listed" in plan for plan in looks), looks
        return
    assert by in looks[-1], looks
    assert not [plan for plan in looks if "B-TREE" in plan], looks
