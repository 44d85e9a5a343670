"""What a process did to its files and sockets, as strace saw it: the evidence for power cuts and the order of syncs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from gateway.wire.hl7 import Message
from gateway.wire.hl7_header import peek
from gateway.wire.hl7_path import compile_path

CALLS = (
    "openat,pwrite64,write,writev,sendmsg,sendto,read,recvfrom,recvmsg,ftruncate,fsync,fdatasync,"
    "rename,renameat,renameat2,unlink,unlinkat"
)
Kind = Literal["create", "write", "truncate", "sync", "rename", "unlink", "heard", "told"]

_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)", re.DOTALL)
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"\A(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")
_RESULT = re.compile(r" = (-?\d+)[^=]*\Z")
_ECHO = compile_path("MSA-2")
_UNFINISHED = "<unfinished ...>"
_NAMING = frozenset({"openat", "rename", "renameat", "renameat2", "unlink", "unlinkat"})


@dataclass(frozen=True)
class Event:
    """One call, once as it begins and once as it ends (``ended``); ``number`` is the same for both.

    ``heard`` and ``told`` are MLLP frames that came from and went to a socket: ``names`` are their control ids.
    ``failed`` is known at the end only.
    """

    number: int
    kind: Kind
    ended: bool
    path: str = ""
    data: bytes = b""
    offset: int = 0
    to: str = ""
    names: tuple[str, ...] = ()
    failed: bool = False


def strace(log: Path, *more: str) -> tuple[str, ...]:
    """What to put before a program's command line to have its calls recorded in ``log``; skips without strace."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed: what the process wrote and synced cannot be recorded")
    return (program, "-f", "--seccomp-bpf", "-y", "-xx", "-s", "1048576", "-e", f"trace={CALLS}", *more, "-o", str(log))


def events(log: Path, folder: Path) -> list[Event]:
    """Everything in the recording that concerns data and keys under ``folder`` and MLLP frames, as it happened."""
    with log.open(encoding="ascii", errors="replace") as lines:
        return list(_events(lines, str(folder)))


def _events(lines: Iterable[str], folder: str) -> Iterator[Event]:
    inside: dict[str, tuple[int, str, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, resumed, call, rest = found.groups()
        if resumed is not None:
            began, call, before = inside.pop(thread, (number, resumed, ""))
            yield from _event(began, call, before + rest, folder, begins=False, ends=True)
        elif rest.rstrip().endswith(_UNFINISHED):
            text = rest.rstrip().removesuffix(_UNFINISHED)
            inside[thread] = (number, call, text)
            yield from _event(number, call, text, folder, begins=True, ends=False)
        else:
            yield from _event(number, call, rest, folder, begins=True, ends=True)


def _event(number: int, call: str, text: str, folder: str, *, begins: bool, ends: bool) -> Iterator[Event]:
    result = _RESULT.search(text) if ends else None
    failed = ends and (result is None or int(result[1]) < 0)
    for event in _meaning(number, call, text, folder, ends=ends):
        if begins:
            yield event
        if ends:
            yield replace(event, ended=True, failed=failed)


def _meaning(number: int, call: str, text: str, folder: str, *, ends: bool) -> Iterator[Event]:
    """What a call means, if anything here: the event of its beginning."""
    descriptor = _DESCRIPTOR.match(text)
    path = _text(descriptor[1]) if descriptor else ""
    if path.startswith("socket:"):
        yield from _frames(number, call, text, ends=ends)
    elif call in _NAMING:
        yield from _naming(number, call, text, folder)
    elif not path.startswith(folder) or (descriptor is not None and descriptor[2]):
        return  # another folder's file, or one without a name, which nobody finds after a cut
    elif call in ("pwrite64", "write"):
        at = re.search(r", (\d+)\)? *(?:=|\Z)", text) if call == "pwrite64" else None
        yield Event(number, "write", ended=False, path=path, data=_data(text), offset=int(at[1]) if at else -1)
    elif call == "ftruncate":
        size = re.search(r", (\d+)", text)
        yield Event(number, "truncate", ended=False, path=path, offset=int(size[1]) if size else 0)
    elif call in ("fsync", "fdatasync"):
        yield Event(number, "sync", ended=False, path=path)


def _naming(number: int, call: str, text: str, folder: str) -> Iterator[Event]:
    names = [_text(quoted) for quoted in _QUOTED.findall(text)]
    if not names or not names[-1].startswith(folder):
        return
    if call.startswith("rename"):
        yield Event(number, "rename", ended=False, path=names[0], to=names[1])
    elif call.startswith("unlink"):
        yield Event(number, "unlink", ended=False, path=names[0])
    elif "O_CREAT" in text:
        yield Event(number, "create", ended=False, path=names[0], offset=int("O_TRUNC" in text))


def _frames(number: int, call: str, text: str, *, ends: bool) -> Iterator[Event]:
    reads = call in ("read", "recvfrom", "recvmsg")
    data = b"" if reads and not ends else _data(text)  # what is read is known at the end
    if not data.startswith(b"\x0bMSH"):
        return
    frames = [frame for part in data.split(b"\x1c") if (frame := part.lstrip(b"\r\x0b"))]
    if reads:
        yield Event(number, "heard", ended=False, names=tuple(peek(frame).control_id for frame in frames))
    else:
        yield Event(number, "told", ended=False, names=tuple(str(_ECHO(Message(frame))) for frame in frames))


def _data(text: str) -> bytes:
    return b"".join(bytes.fromhex(quoted.replace("\\x", "")) for quoted in _QUOTED.findall(text))


def _text(quoted: str) -> str:
    return bytes.fromhex(quoted.replace("\\x", "")).decode("utf-8", "replace")


def told_too_early(found: Iterable[Event], journal: str) -> tuple[list[str], int]:
    """Control ids acknowledged without a sync of the journal that covers them, and how many were acknowledged.

    Covered is a message when, after it was read from its socket and before its acknowledgement was written to it, the
    journal was written and then synced with success. What was written before a failed sync counts as lost: a
    later sync covers only what was written again.
    """
    heard: dict[str, int] = {}
    cycles: list[int] = []
    """Beginnings of the newest journal writes that are synced, ever growing."""
    written = syncing = -1
    early: list[str] = []
    told = 0
    for event in found:
        if event.kind == "heard" and event.ended:
            heard.update(dict.fromkeys(event.names, event.number))
        elif event.kind == "write" and event.ended and not event.failed and event.path.endswith(journal):
            written = max(written, event.number)
        elif event.kind == "sync" and event.path.endswith(journal):
            if not event.ended:
                syncing = written
            elif event.failed:
                written = -1
            else:
                cycles.append(syncing)
        elif event.kind == "told" and not event.ended:
            told += len(event.names)
            newest = cycles[-1] if cycles else -1
            early += [name for name in event.names if newest < heard.get(name, -1)]
    return early, told
