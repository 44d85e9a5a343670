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

from gateway.errors import IntegrityViolated, InvalidConfiguration, StoreIncompatible, StoreUnavailable
from gateway.transport.whole_file import sync_folder

SCHEMA = 2
_SINCE_2 = """
create unique index keys_owner on keys (tenant, kind, owner) where destroyed is null and retired is null;
create index keys_parent on keys (tenant, parent) where destroyed is null;
create index keys_retired on keys (tenant, kind) where destroyed is null and retired is not null;
create table shreds (tenant text not null, owner blob not null, at text not null, primary key (tenant, owner));
create table rotations (tenant text not null, kind text not null, upto integer not null, primary key (tenant, kind));
create table state (epoch integer not null);
insert into state values (0);
"""
_TABLES = f"""
create table keys (
    key_id integer primary key autoincrement,
    tenant text not null,
    kind text not null,
    owner blob not null,
    wrapped blob not null,       -- empty once destroyed
    uses integer not null,       -- encryptions set aside, hence an upper bound of those made
    created text not null,
    destroyed text,
    parent integer not null,     -- the key that wraps this one; 0 is the root
    retired text                 -- since when it only opens: a newer key seals for its owner
);
create table shredded (key_id integer primary key, at text not null);
{_SINCE_2}
"""
_FROM_1 = """
alter table keys add column parent integer not null default 0;
alter table keys add column retired text;
update keys set parent = (select up.key_id from keys up where up.tenant = keys.tenant and up.kind = 'tenant')
    where kind <> 'tenant';
drop index keys_owner;
"""


class KeyRow(msgspec.Struct, frozen=True):
    """A key as stored; ``wrapped`` is what opens only with the key above it."""

    key_id: int
    tenant: str
    kind: str
    owner: bytes
    wrapped: bytes
    uses: int
    parent: int = 0
    retired: str | None = None

    def __post_init__(self) -> None:
        """Refuse what a forger left in another form: the file's engine keeps text where bytes belong.

        Raises:
            IntegrityViolated: the row is none that was written here.
        """
        if type(self.wrapped) is not bytes or type(self.owner) is not bytes:
            raise IntegrityViolated(
                "A row of the keystore was changed", where=f"key {self.key_id}",
                fix="Restore the keystore of a backup; gateway backup verify says which is whole.",
            )  # fmt: skip

    def __repr__(self) -> str:
        return f"<KeyRow {self.key_id} {self.kind}>"


_COLUMNS = "select key_id, tenant, kind, owner, wrapped, uses, parent, retired from keys"
_BY_ID = f"{_COLUMNS} where key_id = ?"
_LIVING = f"{_COLUMNS} where tenant = ? and kind = ? and destroyed is null"
_IN_USE = f"{_LIVING} and retired is null"


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
            if found == 1:
                self._db.executescript(f"begin immediate; {_FROM_1} {_SINCE_2} pragma user_version = {SCHEMA}; commit;")
                found = SCHEMA
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
        sync_folder(path.parent)
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
        """The keys in use of these owners."""
        found: list[KeyRow] = []
        with self.lock, _translated():
            for start in range(0, len(owners), 500):
                some = owners[start : start + 500]
                marks = ",".join("?" * len(some))
                query = f"{_IN_USE} and owner in ({marks})"
                found += (KeyRow(*row) for row in self._db.execute(query, (tenant, kind, *some)))
        return found

    def next_id(self) -> int:
        """The id the next key will have; ask inside the transaction that inserts it. Ids are never used twice."""
        found = self._db.execute("select seq from sqlite_sequence where name = 'keys'").fetchone()
        return 1 if found is None else int(found[0]) + 1

    def insert(self, rows: Sequence[KeyRow]) -> None:
        """Add keys."""
        self._db.executemany(
            "insert into keys (key_id, tenant, kind, owner, wrapped, uses, parent, created)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            [(r.key_id, r.tenant, r.kind, r.owner, r.wrapped, r.uses, r.parent, _now()) for r in rows],
        )

    def set_uses(self, uses: Sequence[tuple[int, int]]) -> None:
        """Record (key id, encryptions set aside)."""
        self._db.executemany("update keys set uses = ? where key_id = ?", [(count, key_id) for key_id, count in uses])

    def destroy(self, key_id: int) -> None:
        """Overwrite a wrapped key and note that it is gone."""
        self._db.execute("insert or ignore into shredded values (?, ?)", (key_id, _now()))
        self._db.execute(
            "update keys set wrapped = x'', destroyed = ? where key_id = ? and destroyed is null", (_now(), key_id)
        )
        self._tell()

    def shredded(self) -> list[int]:
        """Ids of destroyed keys, in order."""
        return [row[0] for row in self._all("select key_id from shredded order by key_id")]

    # --- the shred list ---------------------------------------------------------------------------------------------

    def add_shred(self, tenant: str, owner: bytes) -> None:
        """Note that this owner shall never have a key again."""
        self._db.execute("insert or ignore into shreds values (?, ?, ?)", (tenant, owner, _now()))
        self._tell()

    def shreds(self) -> set[tuple[str, bytes]]:
        """Everybody on the shred list: (tenant, owner)."""
        return {(tenant, bytes(owner)) for tenant, owner in self._all("select tenant, owner from shreds")}

    # --- rotation ---------------------------------------------------------------------------------------------------

    def living(self, tenant: str, kind: str, owner: bytes | None = None) -> list[KeyRow]:
        """Keys of one kind that are not destroyed, retired ones too; of one owner, or of all."""
        if owner is None:
            return [KeyRow(*row) for row in self._all(f"{_LIVING} order by key_id", tenant, kind)]
        return [KeyRow(*row) for row in self._all(f"{_LIVING} and owner = ? order by key_id", tenant, kind, owner)]

    def destroyed(self, tenant: str, kind: str, owner: bytes) -> list[tuple[int, str]]:
        """Id of each destroyed key of an owner, and since when it is gone."""
        query = (
            "select key_id, destroyed from keys where tenant = ? and kind = ? and owner = ? and destroyed is not null"
        )
        return [(row[0], row[1]) for row in self._all(f"{query} order by key_id", tenant, kind, owner)]

    def tenants(self) -> list[str]:
        """Tenants that have keys; the gateway's own is the empty name."""
        return [row[0] for row in self._all("select distinct tenant from keys order by tenant")]

    def wrapped_by_others(self, tenant: str, parent: int, most: int) -> list[KeyRow]:
        """Keys below the tenant's that are wrapped by another key than ``parent``."""
        query = f"{_COLUMNS} where tenant = ? and parent <> ? and destroyed is null and kind <> 'tenant' limit ?"
        return [KeyRow(*row) for row in self._all(query, tenant, parent, most)]

    def count_wrapped_by_others(self, tenant: str, parent: int) -> int:
        """How many of them there are."""
        query = "select count(*) from keys where tenant = ? and parent <> ? and destroyed is null and kind <> 'tenant'"
        return int(self._all(query, tenant, parent)[0][0])

    def rewrap(self, rows: Sequence[tuple[bytes, int, int, bytes]]) -> None:
        """Replace wrapped forms: (new form, its parent, key id, the form it replaces)."""
        self._db.executemany("update keys set wrapped = ?, parent = ? where key_id = ? and wrapped = ?", rows)

    def retire(self, key_ids: Sequence[int]) -> None:
        """From now on these keys only open."""
        at = _now()
        self._db.executemany("update keys set retired = ? where key_id = ?", [(at, key_id) for key_id in key_ids])
        self._tell()

    def retired(self, tenant: str) -> dict[int, tuple[str, bytes, str]]:
        """Keys of a tenant that only open: (kind, owner, since when) by id."""
        query = (
            "select key_id, kind, owner, retired from keys"
            " where tenant = ? and destroyed is null and retired is not null"
        )
        return {key_id: (kind, bytes(owner), since) for key_id, kind, owner, since in self._all(query, tenant)}

    def older(self, tenant: str, kind: str, upto: int, most: int) -> list[KeyRow]:
        """Keys in use with an id of at most ``upto``."""
        return [KeyRow(*row) for row in self._all(f"{_IN_USE} and key_id <= ? limit ?", tenant, kind, upto, most)]

    def rotation(self, tenant: str, kind: str) -> int | None:
        """Up to which key id an unfinished rotation replaces; None when there is none."""
        found = self._all("select upto from rotations where tenant = ? and kind = ?", tenant, kind)
        return int(found[0][0]) if found else None

    def set_rotation(self, tenant: str, kind: str, upto: int | None) -> None:
        """Begin a rotation, or with None end it."""
        self._db.execute("delete from rotations where tenant = ? and kind = ?", (tenant, kind))
        if upto is not None:
            self._db.execute("insert into rotations values (?, ?, ?)", (tenant, kind, upto))

    def epoch(self) -> int:
        """A number that changes whenever a key was retired or destroyed, by whichever process."""
        return int(self._all("select epoch from state")[0][0])

    def copy(self, to: Path) -> None:
        """A consistent copy of the file, beside whoever writes; it is as sealed as the original."""
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        with self.lock, _translated():
            target = sqlite.connect(str(to))
            self._db.backup(target)
            target.close()

    def _tell(self) -> None:
        self._db.execute("update state set epoch = epoch + 1")

    def _all(self, query: str, *values: object) -> list[Any]:
        with self.lock, _translated():
            return list(self._db.execute(query, values).fetchall())


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
