"""The keystore's own file and the statements over it: a few rows that matter more than all data.

It is apart from the data so that it has its own backup and retention: a patient's key that was destroyed here is gone
from every old backup of the data too. It keeps a rollback journal under ``synchronous=EXTRA``, which unlike FULL also
syncs the folder after the journal is removed: without that, a power cut soon after a commit brings the journal back and
undoes it, and data sealed meanwhile would hang on a key that never was.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlcipher3.dbapi2 as sqlite

from gateway.errors import InvalidConfiguration, StoreIncompatible, StoreUnavailable

SCHEMA = 1
_TABLES = """
create table keys (
    key_id integer primary key autoincrement,
    tenant text not null,
    kind text not null,
    owner blob not null,
    wrapped blob not null,       -- empty once destroyed
    uses integer not null,       -- encryptions set aside, hence an upper bound of those made
    created text not null,
    destroyed text
);
create unique index keys_owner on keys (tenant, kind, owner) where destroyed is null;
create table shredded (key_id integer primary key, at text not null);
"""


class KeyRow(msgspec.Struct, frozen=True):
    """A key as stored; ``wrapped`` is what opens only with the key above it."""

    key_id: int
    tenant: str
    kind: str
    owner: bytes
    wrapped: bytes
    uses: int

    def __repr__(self) -> str:
        return f"<KeyRow {self.key_id} {self.kind}>"


_BY_ID = "select key_id, tenant, kind, owner, wrapped, uses from keys where key_id = ?"
_LIVING = (
    "select key_id, tenant, kind, owner, wrapped, uses from keys where tenant = ? and kind = ? and destroyed is null"
)


class KeyFile:
    """One connection to the file, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        _check_file(path)
        self.lock = threading.RLock()
        """Held by every statement; hold it to make several of them one step for other threads."""
        self._db: Any = sqlite.connect(str(path), isolation_level=None, check_same_thread=False, timeout=30)
        with _translated():
            for pragma in ("journal_mode = DELETE", "synchronous = EXTRA", "secure_delete = ON", "temp_store = MEMORY"):
                self._db.execute(f"pragma {pragma}")
            found = self._db.execute("pragma user_version").fetchone()[0]
        if found != SCHEMA:
            self._db.close()
            raise StoreIncompatible(
                f"The keystore has schema {found} and this version needs {SCHEMA}", where="keystore",
                fix="Use the version of the gateway that wrote it, or a newer one.",
            )  # fmt: skip

    @classmethod
    def create(cls, path: Path) -> KeyFile:
        """Make an empty keystore, readable by its owner only, and sync it and its folder."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            raise InvalidConfiguration("There is a keystore already", where=str(path), fix="Keep it.") from None
        with _translated():
            db = sqlite.connect(str(path), isolation_level=None)
            db.execute("pragma synchronous = EXTRA")
            db.executescript(f"begin immediate; {_TABLES} pragma user_version = {SCHEMA}; commit;")
            db.close()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return cls(path)

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One writing transaction, synced when the block ends and undone when it raises. Others wait."""
        with self.lock, _translated():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def row(self, key_id: int) -> KeyRow | None:
        """A key by id; None when there never was one."""
        with self.lock, _translated():
            found = self._db.execute(_BY_ID, (key_id,)).fetchone()
        return None if found is None else KeyRow(*found)

    def rows_of(self, tenant: str, kind: str, owners: Sequence[bytes]) -> list[KeyRow]:
        """The living keys of these owners."""
        found: list[KeyRow] = []
        with self.lock, _translated():
            for start in range(0, len(owners), 500):
                some = owners[start : start + 500]
                marks = ",".join("?" * len(some))
                query = f"{_LIVING} and owner in ({marks})"
                found += (KeyRow(*row) for row in self._db.execute(query, (tenant, kind, *some)))
        return found

    def next_id(self) -> int:
        """The id the next key will have; ask inside the transaction that inserts it. Ids are never used twice."""
        found = self._db.execute("select seq from sqlite_sequence where name = 'keys'").fetchone()
        return 1 if found is None else int(found[0]) + 1

    def insert(self, rows: Sequence[KeyRow]) -> None:
        """Add keys."""
        self._db.executemany(
            "insert into keys (key_id, tenant, kind, owner, wrapped, uses, created) values (?, ?, ?, ?, ?, ?, ?)",
            [(r.key_id, r.tenant, r.kind, r.owner, r.wrapped, r.uses, _now()) for r in rows],
        )

    def set_uses(self, uses: Sequence[tuple[int, int]]) -> None:
        """Record (key id, encryptions set aside)."""
        self._db.executemany("update keys set uses = ? where key_id = ?", [(count, key_id) for key_id, count in uses])

    def destroy(self, key_id: int) -> None:
        """Overwrite a wrapped key and put it on the shred list, so that a restored keystore can be shredded again."""
        self._db.execute("insert or ignore into shredded values (?, ?)", (key_id, _now()))
        self._db.execute(
            "update keys set wrapped = x'', destroyed = ? where key_id = ? and destroyed is null", (_now(), key_id)
        )

    def shredded(self) -> list[int]:
        """Ids of destroyed keys, in order."""
        with self.lock, _translated():
            return [row[0] for row in self._db.execute("select key_id from shredded order by key_id")]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check_file(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise InvalidConfiguration(
            "There is no keystore", where=str(path), fix="Run gateway init, or restore it."
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidConfiguration("The keystore is not a regular file", where=str(path), fix="Name the file itself.")
    if status.st_mode & 0o077:
        raise InvalidConfiguration("Others may read the keystore", where=str(path), fix=f"chmod 600 {path}")


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors as ours: what a disk refuses may succeed later, and nothing may be acknowledged meanwhile."""
    try:
        yield
    except sqlite.DatabaseError as error:
        raise StoreUnavailable(
            f"The keystore could not be used: {type(error).__name__}", where="keystore", fix="Check its disk."
        ) from error
