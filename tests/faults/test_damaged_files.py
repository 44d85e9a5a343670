"""Files that are not what the gateway wrote: flipped bits, and a write-ahead log that is gone or another's."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy import select

from gateway.errors import GatewayError
from gateway.store.engines import embedded_engine
from gateway.store.metadata import metadata
from tests.faults.deployment import SCALE
from tests.faults.oracle import World, breaches
from tests.integration.parts import Parts, Place, Written, appointment, deliver_all, message, patient

FLIPS = int(1000 * SCALE)
STORE = "gateway.db"
Rows = dict[str, list[tuple[Any, ...]]]


def _lived(parts: Parts, *numbers: int) -> set[str]:
    """Patients and visits that came, were normalized and delivered; control ids."""
    parts.take(*(message(patient(f"p{n}", "Adams"), appointment(f"a{n}", f"p{n}"), control=f"c{n}") for n in numbers))
    deliver_all(parts.delivering(Written()))
    parts.sequence()
    return {f"c{n}" for n in numbers}


# --- bits ------------------------------------------------------------------------------------------------------------


def _sealed(path: Path, key: bytes) -> Rows:
    """Everything in the store, as the gateway's own engine reads it."""
    engine = embedded_engine(path, key, writer=False)
    try:
        with engine.connect() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(select(table))]
                for table in metadata.sorted_tables
            }
    finally:
        engine.dispose()


def _plain(path: Path) -> Rows:
    """The same of a file without encryption."""
    connection = sqlite3.connect(path)
    try:
        return {name: connection.execute(f"select * from {name}").fetchall() for name in metadata.tables}
    finally:
        connection.close()


def _silent(path: Path, flips: int, read: Callable[[Path], Rows]) -> tuple[int, int]:
    """Flip one bit at a time; how many were told, and how many changed what is read without a word."""
    whole, content, rnd = read(path), path.read_bytes(), random.Random(17)
    told = silent = 0
    for _ in range(flips):
        at = rnd.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << rnd.randrange(8)]) + content[at + 1 :])
        for beside in path.parent.glob(path.name + "-*"):
            beside.unlink()
        try:
            silent += read(path) != whole
        except Exception:  # noqa: BLE001 - whatever it says, it says it
            told += 1
    return told, silent


def _kept(folder: Path) -> tuple[Path, bytes]:
    """A store at rest, and its key."""
    parts = Place(folder, "embedded").open()
    _lived(parts, *range(20))
    key = parts.keystore.database_key()
    parts.close()
    return folder / "data" / STORE, key


def test_no_flipped_bit_changes_a_value_silently(tmp_path: Path) -> None:
    """Whatever bit of the store's file flips: it is told, or everything that is read is as before."""
    path, key = _kept(tmp_path)
    told, silent = _silent(path, FLIPS, partial(_sealed, key=key))
    print(f"{told} of {FLIPS} flips were told, the others changed nothing that is read")
    assert told > FLIPS // 4
    assert silent == 0


def test_the_flips_find_a_file_that_is_not_authenticated(tmp_path: Path) -> None:
    """The same flips in the same rows without encryption change values silently."""
    path, key = _kept(tmp_path)
    plain = tmp_path / "plain.db"
    connection = sqlcipher.connect(str(path))
    connection.execute(f"pragma key = \"x'{key.hex()}'\"")
    connection.execute(f"attach database '{plain}' as plain key ''")
    connection.execute("select sqlcipher_export('plain')")
    connection.close()
    _, silent = _silent(plain, 200, _plain)
    assert silent > 0


# --- the write-ahead log ---------------------------------------------------------------------------------------------


def _gone(data: Path, other: Path) -> None:
    (data / f"{STORE}-wal").unlink()


def _index_gone(data: Path, other: Path) -> None:
    (data / f"{STORE}-shm").unlink()


def _foreign(data: Path, other: Path) -> None:
    shutil.copy(other / f"{STORE}-wal", data / f"{STORE}-wal")


def _cut_short(data: Path, other: Path) -> None:
    path = data / f"{STORE}-wal"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _killed(folder: Path, spoil: Callable[[Path, Path], None]) -> tuple[Path, set[str]]:
    """What kill -9 left of a gateway, with its write-ahead log then spoiled; the control ids it acknowledged."""
    left = folder / "left"
    for name, numbers in (("other", range(5)), ("run", range(8))):
        parts = Place(folder / name, "embedded")
        parts.folder.mkdir()
        opened = parts.open()
        acknowledged = _lived(opened, *numbers)
        shutil.copytree(parts.folder, left if name == "run" else folder / "strange")
        opened.close()
    spoil(left / "data", folder / "strange" / "data")
    return left, acknowledged


def _start(left: Path, acknowledged: set[str]) -> tuple[bool, list[str]]:
    """Start on what is left: whether that is refused, and what is missing if it is not."""
    with suppress(GatewayError):
        parts = Place(left, "embedded").open()
        try:
            return False, breaches(parts, World(acknowledged))
        finally:
            parts.close()
    return True, []


@pytest.mark.parametrize("spoil", [_gone, _index_gone, _foreign, _cut_short])
def test_a_lost_log_is_recovered_from_or_refused(tmp_path: Path, spoil: Callable[[Path, Path], None]) -> None:
    """A lost index is made again; where commits are lost the start is refused, because the witness has seen them."""
    refused, missing = _start(*_killed(tmp_path, spoil))
    assert refused == (spoil is not _index_gone)
    assert missing == []


def test_the_loss_is_silent_without_the_witness(tmp_path: Path) -> None:
    """The same judgement on a build without a witness starts, and finds acknowledged messages missing."""
    left, acknowledged = _killed(tmp_path, _gone)
    (left / "checkpoints").unlink()
    refused, missing = _start(left, acknowledged)
    assert not refused
    assert any(breach.startswith("I1") for breach in missing)
