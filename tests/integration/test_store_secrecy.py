"""What lies on the disk: no value of a patient in the clear, neither in the store nor beside it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import LargeBinary, select

from gateway.model.exchange import Rejected
from gateway.store.metadata import metadata
from gateway.store.opening import open_store
from tests.integration.parts import Parts, Written, appointment, deliver_all, message, patient

CANARY = "Quartermaine"
CHART = "MRN-77120934"
PAGE = 4096


def run(parts: Parts) -> None:
    """Everything that writes: receipt, repeat, quarantine, records, delivery, rejection, audit."""
    item = message(patient(CHART, CANARY), appointment(f"visit-{CHART}", CHART, reason=CANARY), control="C1")
    bad = message(patient(CHART, CANARY), told={"fault": "content"}, control="C2", context=CANARY.encode())
    parts.take(item, item, bad, message(patient(CHART, CANARY + "2"), control="C3"))
    sink = Written(lambda delivery: Rejected("no") if delivery.version == 2 else Written().answer(delivery))
    deliver_all(parts.delivering(sink))
    assert CANARY.encode() in b"".join(delivery.body for delivery in sink.effects)
    parts.sequence()


def test_no_value_is_in_any_row(parts: Parts) -> None:
    """Neither a name nor a chart number is in any column of any table, on either store."""
    run(parts)
    for table in metadata.sorted_tables:
        for row in parts.store.read_sync(lambda c, table=table: c.execute(select(table)).fetchall()):
            for column, value in zip(table.columns, row, strict=True):
                data = (
                    bytes(value) if isinstance(column.type, LargeBinary) and value is not None else str(value).encode()
                )
                assert CANARY.encode() not in data, f"{table.name}.{column.name}"
                assert CHART.encode() not in data, f"{table.name}.{column.name}"


def test_no_value_is_in_any_file(parts: Parts) -> None:
    """Database, write-ahead log, keystore and witness hold neither values nor the names of tables in the clear."""
    if parts.place.url != "embedded":
        return
    run(parts)
    files = [path for path in parts.place.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"gateway.db", "gateway.db-wal", "keystore.db", "root.key"}
    for path in files:
        data = Path(path).read_bytes()
        assert CANARY.encode() not in data, path.name
        assert CHART.encode() not in data, path.name
        if path.name.startswith("gateway.db"):
            assert b"CREATE TABLE" not in data, path.name
            assert b"SQLite format 3" not in data, path.name


def test_a_byte_of_a_page_that_nobody_reads_is_found(parts: Parts, tmp_path: Path) -> None:
    """Whichever page of the store's file is changed, it is named; of a file that was not, none is."""
    if parts.place.url != "embedded":
        assert parts.store.damaged_pages() == []
        return
    run(parts)
    key, path = parts.keystore.database_key(), tmp_path / "gateway.db"
    parts.store.copy(path)
    whole = path.read_bytes()

    def damaged(content: bytes) -> list[str]:
        path.write_bytes(content)
        store = open_store("embedded", None, tmp_path, lambda: key)
        store.start()
        try:
            return store.damaged_pages()
        finally:
            store.close()

    assert damaged(whole) == []
    pages = len(whole) // PAGE
    for page in (pages // 2, pages * 3 // 4, pages):
        at = page * PAGE - PAGE // 2
        (told,) = damaged(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert told.endswith(f"page {page}")
