"""Embedded stores whose schema is there already: the migrations run once, then their file is copied and keyed anew."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from functools import cache
from pathlib import Path

import sqlcipher3.dbapi2 as sqlcipher

from gateway.store.engines import embedded_engine
from gateway.store.migrations import upgrade


@cache
def _migrated() -> tuple[tempfile.TemporaryDirectory[str], Path, bytes]:
    """A file with the schema of the migrations and no row of its own, its key, and what removes it at the end."""
    folder, key = tempfile.TemporaryDirectory(prefix="gateway-migrated-"), secrets.token_bytes(32)
    path = Path(folder.name) / "gateway.db"
    engine = embedded_engine(path, key, writer=True)
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("rollback")
        connection.exec_driver_sql("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
    engine.dispose()
    return folder, path, key


def make_migrated(path: Path, key: bytes) -> None:
    """Make the file that a first start under this key makes; every page of it is sealed by this key alone."""
    _, original, known = _migrated()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(original, path)
    connection = sqlcipher.connect(str(path), isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{known.hex()}'\"")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA rekey = \"x'{key.hex()}'\"")
    connection.close()
