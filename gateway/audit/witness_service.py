"""A witness on another host: keeps a log's signed heads, each only after proof that it continues the one before.

The exchange is that of C2SP's tlog-witness: ``old SIZE``, the consistency proof in base64 a line each, an empty line,
and the signed note. What was kept once is never given up: a head of a shorter or another log is refused, whoever signs.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.audit.checkpoint import Checkpoint, Verifier, parse
from gateway.audit.merkle import HASH, verify_consistency
from gateway.audit.witness import FileWitness
from gateway.errors import IntegrityViolated

MOST_BYTES = 16_384
MOST_PROOF = 63
"""Lines of a proof: enough for any log whose size has 63 bits."""
_OLD = re.compile(r"old (0|[1-9][0-9]{0,17})")


class Said(NamedTuple):
    """What the witness answers: an HTTP status and a text."""

    status: int
    text: str


class WitnessService:
    """Keeps the heads of the logs whose keys are pinned, in one file that only grows.

    Raises:
        IntegrityViolated: the file holds a note that none of the pinned keys signed.
    """

    def __init__(self, path: Path, public_keys: Sequence[str]) -> None:
        self._verifier = Verifier(list(public_keys))
        self._known = {key.partition("+")[0] for key in public_keys}
        self._file = FileWitness(path)
        self._lock = threading.Lock()
        self._newest: dict[str, Checkpoint] = {}
        for note in self._file.notes():
            head = self._verifier.open(note)
            if head.size >= self._size(head.origin):
                self._newest[head.origin] = head

    def newest(self, origin: str) -> Said:
        """The newest head of a log: 200, or 404 when there is none."""
        head = self._newest.get(origin)
        return Said(404, "no head of this log\n") if head is None else Said(200, head.note)

    def add(self, body: bytes) -> Said:
        """Check one request and keep its head: synced before this returns."""
        try:
            first, proof, note = _read(body)
            unsigned, _ = parse(note)
        except (ValueError, IntegrityViolated):
            return Said(400, "this is not a request of tlog-witness\n")
        if unsigned.origin not in self._known:
            return Said(404, "this log's key is not pinned here\n")
        try:
            head = self._verifier.open(note)
        except IntegrityViolated:
            return Said(403, "no pinned key signed this head\n")
        with self._lock:
            return self._decide(head, first, proof)

    def _decide(self, head: Checkpoint, old: int, proof: list[bytes]) -> Said:
        size = self._size(head.origin)
        if old > head.size:
            return Said(400, "the old size is beyond the new one\n")
        if old != size:
            return Said(409, f"{size}\n")
        if size == 0:
            if proof:
                return Said(422, "a first head has no proof\n")
        elif not verify_consistency(size, self._newest[head.origin].root, head.size, head.root, proof):
            return Said(422, "the head does not continue the one that is kept\n")
        if head.size > size:
            self._file.append(head)
            self._newest[head.origin] = head
        return Said(200, "kept\n")

    def _size(self, origin: str) -> int:
        head = self._newest.get(origin)
        return 0 if head is None else head.size


def _read(body: bytes) -> tuple[int, list[bytes], str]:
    """(old size, proof, note) of a request; ValueError when it has another form."""
    if len(body) > MOST_BYTES:
        raise ValueError("longer than any request is")
    start, empty, note = body.decode("utf-8").partition("\n\n")
    first, *lines = start.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or not empty or len(lines) > MOST_PROOF:
        raise ValueError("does not begin with an old size and a proof")
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines]
    except binascii.Error:
        raise ValueError("the proof is not base64") from None
    if any(len(one) != HASH for one in proof):
        raise ValueError("a hash has another length")
    return int(old[1]), proof, note
