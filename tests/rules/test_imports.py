"""Nothing happens on import, and the few dangerous libraries are imported where they belong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.rules.tree import PRODUCT, ROOT, imported, modules, parsed, short

PROBE = """
import importlib, json, sys, threading
seen = []
FORBIDDEN = ("socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen",
             "os.system", "os.fork", "sqlite3.connect")
def watch(event, arguments):
    if event in FORBIDDEN or event == "open" and arguments[1] and set(arguments[1]) & set("wax+"):
        if not str(arguments[0]).endswith(".pyc") and ".pyc." not in str(arguments[0]):
            seen.append(f"{importing}: {event}")
importing = ""
sys.addaudithook(watch)
start = threading.Thread.start
def started(thread):
    seen.append(f"{importing}: threading.Thread.start")
    start(thread)
threading.Thread.start = started
for importing in json.loads(sys.argv[1]):
    try:
        importlib.import_module(importing)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("hl7apy", "pyx12", "psycopg"):
            raise
print(json.dumps(seen))
"""

ONLY: Mapping[str, tuple[str, ...]] = {
    "cryptography.hazmat.primitives.ciphers.aead": ("gateway/vault/cipher.py", "plugins/gateway_keys_file/provider.py"),
    "hl7apy": ("adapters/gateway_hl7/strict.py", "plugins/gateway_mllp/strict.py"),
    "pyx12": ("adapters/gateway_x12/strict.py",),
    "sqlcipher3": ("gateway/store/", "gateway/vault/key"),
    "sqlalchemy": ("gateway/store/",),
    "alembic": ("gateway/store/migrations/",),
}
"""Library -> the only places of the product that may import it: the key provider wraps keys, never patient data."""
ANYWHERE = {"sqlalchemy.Connection", "sqlalchemy.Row"}
"""Types of what the store's functions take and give; no statement can be made of them."""


def dotted(path: Path) -> str:
    """The name under which a file is imported."""
    folder, *rest = Path(short(path)).with_suffix("").parts
    parts = [folder, *rest] if folder == "gateway" else rest
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def probe(names: list[str], *, path: tuple[str, ...] = ()) -> list[str]:
    """What a fresh interpreter did while it imported some modules."""
    program = f"import sys; sys.path[:0] = {list(path)!r}\n{PROBE}"
    command = [sys.executable, "-B", "-c", program, json.dumps(names)]  # bytecode is the interpreter's, not a module's
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout))


def misplaced(name: str, used: list[tuple[str, int]]) -> Iterator[str]:
    """Imports of a guarded library outside its places."""
    for library, places in ONLY.items():
        if name.startswith(places):
            continue
        for found, line in used:
            if found not in ANYWHERE and f"{found}.".startswith(f"{library}."):
                yield f"{name} line {line}: {found}"


def test_nothing_happens_on_import() -> None:
    """Importing every module of the product opens no socket, file for writing or database, and starts no thread."""
    names = [dotted(path) for path in modules(*PRODUCT) if "migrations" not in path.parts and path.stem != "__main__"]
    path = tuple(str(ROOT / folder) for folder in (".", "adapters", "plugins", "mappings"))
    assert len(names) > 10
    assert probe(names, path=path) == []


def test_guarded_libraries_stay_in_their_places() -> None:
    """Decryption, the standards' own libraries, SQL and the database driver are each used in one place."""
    faults = [fault for path in modules(*PRODUCT) for fault in misplaced(short(path), list(imported(parsed(path))))]
    assert faults == []


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import threading; threading.Thread(target=int).start()", "threading.Thread.start"),
    ],
)
def test_the_rules_see_a_planted_fault(tmp_path: Path, code: str, event: str) -> None:
    """A module that opens a socket or starts a thread on import is named."""
    (tmp_path / "planted.py").write_text(code)
    (seen, *_) = probe(["planted"], path=(str(tmp_path),))
    assert seen.startswith(f"planted: {event}")
    used = [("hl7apy.parser", 3), ("hl7", 4), ("sqlalchemy.text", 5), ("sqlalchemy.Row", 5)]
    assert list(misplaced("gateway/flow/receive.py", used)) == [
        "gateway/flow/receive.py line 3: hl7apy.parser",
        "gateway/flow/receive.py line 5: sqlalchemy.text",
    ]
