"""One demo, played once and kept, and the real command line to look at copies of it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.forked import Forking
from tests.waiting import PATIENCE

SCRIPT = Path(sys.executable).with_name("gateway")
DEMO_SECONDS = 270.0


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Answer]


@cache
def _forking() -> Forking:
    return Forking(SCRIPT)


def run_gateway(*arguments: str | Path, cwd: Path, timeout: float = PATIENCE, whole: bool = False) -> Answer:
    """Run a command in a process of its own, ``whole`` from the installed script on, or from its import on."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    words = list(map(str, arguments))
    if whole:
        done = subprocess.run(
            [str(SCRIPT), *words],
            cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False, env=environment,
        )  # fmt: skip
    else:
        done = _forking().run(words, cwd, environment, timeout)
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session", autouse=True)
def _forking_ends() -> Iterator[None]:
    yield
    if _forking.cache_info().currsize:
        _forking().close()


@pytest.fixture
def gateway(tmp_path: Path) -> Run:
    """The command line, in a folder of this test alone."""
    if not SCRIPT.exists():
        pytest.skip("the command `gateway` is not installed beside this interpreter: pip install -e .")

    def run(*arguments: str | Path, timeout: float = PATIENCE) -> Answer:
        return run_gateway(*arguments, cwd=tmp_path, timeout=timeout)

    return run


@dataclass(frozen=True)
class Played:
    """A demo that has ended."""

    folder: Path
    answer: Answer
    work: float
    """Seconds of a processor that it took: the same on a machine that others load."""


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """``gateway demo --once --json``, with everything it left in a folder."""
    if not SCRIPT.exists():
        pytest.skip("the command `gateway` is not installed beside this interpreter: pip install -e .")
    folder = tmp_path_factory.mktemp("demo") / "kept"
    before = _work_of_children()
    answer = run_gateway(
        "demo", "--once", "--json", "--folder", folder, cwd=folder.parent, timeout=DEMO_SECONDS, whole=True
    )
    assert answer.code == 0, answer.err
    return Played(folder, answer, _work_of_children() - before)


def _work_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture
def copied(played: Played, tmp_path: Path) -> Path:
    """A copy of the demo's folder that this test may change; the settings file in it is ``gateway.toml``."""
    shutil.copytree(played.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path
