#!/usr/bin/env python3
"""Verify an exported audit log, or the proof of one entry, without the gateway: copy this file anywhere and run it.

    python standalone.py BUNDLE [--key VKEY ...] [--witness FILE ...]

BUNDLE is what ``gateway verify audit --export`` or ``gateway audit prove`` wrote. Give ``--key`` a key that you
noted at first, and ``--witness`` the notes that a witness kept: a bundle vouches only for itself, so without them
whoever holds the signing key could have rewritten all. Exit code: 0 valid, 1 faults, 2 unreadable. Checked: every leaf
hashes to its row and place; a writer's rows are there from 1 on, in order; the tree of the leaves (RFC 6962) has the
signed root at the size of every head; proofs lead to it; notes are signed for this log. Needs ``cryptography``.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import defaultdict
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"
NOTE = re.compile(
    r"^(?P<origin>[^\n+ ]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n\n"
    "(?P<signatures>(?:\N{EM DASH} [^ \n]+ [A-Za-z0-9+/=]+\n)+)",
    re.MULTILINE,
)


ROW = "writer seq body body64"
FIELDS = {"log": "version tenant keys", "checkpoint": "size note", "row": ROW, "end": "checkpoint leaf row proof"}
FIELDS |= {"leaf": f"{ROW} leaf hash", "proof": f"{ROW} leaf size note proof"}


class Unreadable(Exception):
    """The bundle, a key or a witness file is not what it should be."""


def read_key(text: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """(name, key hash, key) of ``name+hash+key``."""
    try:
        name, hashed, data = text.split("+", 2)
        raw = base64.b64decode(data, validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw[1:])
    except ValueError as error:
        raise Unreadable(f"not a verifier key: {error}") from None
    expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if raw[:1] != ED25519 or expected.hex() != hashed:
        raise Unreadable("a verifier key does not match its own hash")
    return name, expected, key


def signed_by(note: re.Match[str], keys: list[tuple[str, bytes, Ed25519PublicKey]]) -> bool:
    """Whether one of the keys signed the note under the log's own name."""
    text = f"{note['origin']}\n{note['size']}\n{note['root']}\n".encode()
    for line in note["signatures"].splitlines():
        name, _, data = line[2:].partition(" ")
        for key_name, key_hash, key in keys:
            with suppress(ValueError, InvalidSignature):
                signature = base64.b64decode(data, validate=True)
                if key_name == name == note["origin"] and signature[:4] == key_hash:
                    key.verify(signature[4:], text)
                    return True
    return False


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def climb(leaf: int, size: int, hashed: bytes, proof: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to; nothing when it has too few or too many steps."""
    last = size - 1
    for sibling in proof:
        if last == 0:
            return b""
        if leaf & 1 or leaf == last:
            hashed = node(sibling, hashed)
            while leaf and not leaf & 1:
                leaf, last = leaf >> 1, last >> 1
        else:
            hashed = node(hashed, sibling)
        leaf, last = leaf >> 1, last >> 1
    return hashed if last == 0 else b""


class Tree:
    """The growing edge of an RFC 6962 tree."""

    def __init__(self) -> None:
        self.size = 0
        self.roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        size = self.size
        while size & 1:
            leaf = node(self.roots.pop(), leaf)
            size >>= 1
        self.roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        return reduce(lambda root, left: node(left, root), reversed(self.roots))


def leaf_hash(tenant: str, writer: int, seq: int, body: bytes) -> bytes:
    """Hash of a row with its place."""
    name = tenant.encode()
    place = len(name).to_bytes(2, "big") + name + writer.to_bytes(8, "big") + seq.to_bytes(8, "big")
    return hashlib.sha256(b"\x00" + place + body).digest()


def body_of(line: dict[str, Any]) -> bytes | None:
    text = line["body"].encode() if "body" in line else None
    return base64.b64decode(line["body64"]) if "body64" in line else text


class Recount:
    """Takes the bundle line by line; ``faults`` is the result."""

    def __init__(self, pinned: list[str], witness_texts: list[str]) -> None:
        self.pinned = pinned
        self.witness_texts = witness_texts
        self.faults: list[str] = []
        self.keys: list[tuple[str, bytes, Ed25519PublicKey]] = []
        self.heads: defaultdict[int, list[tuple[bytes, str]]] = defaultdict(list)
        self.witnessed: set[int] = set()
        self.checkpoints: set[int] = set()
        self.tree = Tree()
        self.seqs: defaultdict[int, int] = defaultdict(int)
        self.counts = {"checkpoint": 0, "leaf": 0, "row": 0, "proof": 0}
        self.tenant, self.ended = "", False

    def take(self, line: dict[str, Any]) -> None:
        """One line of the bundle."""
        kind = line["kind"]
        if self.ended:
            self.faults.append("the bundle goes on after its end")
        strange = kind not in FIELDS or set(line) - {"kind", *FIELDS[kind].split()} or {"body", "body64"} <= set(line)
        if strange or any(type(line.get(name, 0)) is not int for name in ("leaf", "writer", "seq", "size")):
            raise Unreadable("the bundle has a line of another form than this script knows")
        if kind in self.counts:
            self.counts[kind] += 1
        getattr(self, kind)(line)

    def log(self, line: dict[str, Any]) -> None:
        """Tenant and keys; then the witness notes can be read too."""
        if line["version"] != 1 or not str.isprintable(line["tenant"]):
            raise Unreadable("the bundle has a version or a tenant that this script does not know")
        self.tenant = line["tenant"]
        self.keys = [read_key(text) for text in self.pinned or line["keys"]]
        for text in self.witness_texts:
            for note in NOTE.finditer(text):
                if note["origin"] == self.origin:
                    self.witness(note)

    @property
    def origin(self) -> str:
        """The name this log must go by."""
        return f"emr-gateway/{self.tenant}"

    def witness(self, note: re.Match[str]) -> None:
        """A note that the witness kept."""
        size = int(note["size"])
        if not signed_by(note, self.keys):
            self.faults.append(f"witness note {size}: not signed by the key")
            return
        self.witnessed.add(size)
        self.heads[size].append((base64.b64decode(note["root"]), f"witness note {size}"))

    def checkpoint(self, line: dict[str, Any]) -> None:
        """A head from the log itself."""
        size, note = line["size"], NOTE.fullmatch(line["note"])
        self.checkpoints.add(size)
        if note is None or not signed_by(note, self.keys):
            self.faults.append(f"checkpoint {size}: not signed by the key")
        elif note["origin"] != self.origin or int(note["size"]) != size:
            self.faults.append(f"checkpoint {size}: belongs to another log or size")
        else:
            self.heads[size].append((base64.b64decode(note["root"]), f"checkpoint {size}"))

    def leaf(self, line: dict[str, Any]) -> None:
        leaf, writer, seq, body = line["leaf"], line["writer"], line["seq"], body_of(line)
        where = f"leaf {leaf} (writer {writer}, row {seq})"
        hashed = bytes.fromhex(line["hash"])
        if leaf != self.tree.size:
            self.faults.append(f"{where}: leaf {self.tree.size} should come here")
        self.follow(writer, seq, f"{where}: rows of the writer are missing or out of order")
        if body is None:
            self.faults.append(f"{where}: its row is gone")
        elif leaf_hash(self.tenant, writer, seq, body) != hashed:
            self.faults.append(f"{where}: its row was changed")
        self.tree.append(hashed)
        for root, name in self.heads.get(self.tree.size, ()):
            if root != self.tree.root():
                self.faults.append(f"{name}: the log does not lead to the signed root")

    def row(self, line: dict[str, Any]) -> None:
        """A row that was not numbered yet when the bundle was made."""
        self.follow(line["writer"], line["seq"], f"writer {line['writer']}, row {line['seq']}: a row before it is gone")

    def follow(self, writer: int, seq: int, fault: str) -> None:
        """Rows of a writer come one after the other."""
        self.faults += [] if seq == self.seqs[writer] + 1 else [fault]
        self.seqs[writer] = seq

    def proof(self, line: dict[str, Any]) -> None:
        """One row, and the way from it to a signed root."""
        size, note, where = line["size"], NOTE.fullmatch(line["note"]), f"entry {line['leaf']}"
        hashed = leaf_hash(self.tenant, line["writer"], line["seq"], body_of(line) or b"")
        if note is None or not signed_by(note, self.keys) or note["origin"] != self.origin or int(note["size"]) != size:
            self.faults.append(f"{where}: its head is not one of this log that the key signed")
            return
        root = base64.b64decode(note["root"])
        if climb(line["leaf"], size, hashed, [bytes.fromhex(one) for one in line["proof"]]) != root:
            self.faults.append(f"{where}: the proof does not lead from the row to the signed root")
        if any(root != other for other, _ in self.heads.get(size, ())):
            self.faults.append(f"{where}: the witness has another root of {size} entries")

    def end(self, line: dict[str, Any]) -> None:
        """The counts with which the bundle closes."""
        self.ended = True
        if any(line.get(kind, 0) != count for kind, count in self.counts.items()):
            self.faults.append("the bundle has other counts than it says at its end")

    def finish(self) -> list[str]:
        """What can only be said when everything was read."""
        if not self.ended:
            self.faults.append("the bundle is cut: it has no end line")
        if self.counts["proof"]:
            if self.tree.size or self.checkpoints or self.counts["row"]:
                self.faults.append("a proof stands in a bundle of its own; the rest of this one was not checked")
            return self.faults
        if self.tree.size and not self.heads:
            self.faults.append("there is no signed head: nothing vouches for the leaves")
        for size in sorted(size for size in self.heads if size > self.tree.size):
            self.faults += [f"{name}: the log has only {self.tree.size} leaves" for _, name in self.heads[size]]
        for size in sorted(self.witnessed - self.checkpoints):
            self.faults.append(f"witness note {size}: the log has no such checkpoint")
        if self.witness_texts and not self.witnessed and len(self.checkpoints) > 1:
            self.faults.append("the witness has no note of this log")
        return self.faults


def recount(path: Path, pinned: list[str], witness_texts: list[str]) -> list[Recount]:
    """One recount for each log of the bundle."""
    found: list[Recount] = []
    with path.open("rb") as file:
        for text in file:
            line = dict(pairs := json.loads(text, object_pairs_hook=list))
            if len(line) != len(pairs) or not text.startswith(b"{"):  # the other value could be the one that is read
                raise Unreadable("a line is no object, or names a field twice")
            if line["kind"] == "log":
                found.append(Recount(pinned, witness_texts))
            elif not found:
                raise Unreadable("the bundle does not begin with a log line")
            found[-1].take(line)
    if not found:
        raise Unreadable("the bundle is empty")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Verify a bundle and say what was found."""
    parser = argparse.ArgumentParser(description="Verify an exported audit log of the gateway.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", action="append", default=[], help="verifier key to trust instead of the bundle's")
    parser.add_argument("--witness", action="append", default=[], type=Path, help="file with notes kept by a witness")
    asked = parser.parse_args(arguments)
    try:
        logs = recount(asked.bundle, asked.key, [one.read_text("utf-8", errors="replace") for one in asked.witness])
    except (OSError, Unreadable, KeyError, TypeError, ValueError, RecursionError) as error:
        print(f"unreadable: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(end="" if asked.key else "note: the keys came from the bundle itself; give --key to know who signed\n")
    print(end="" if asked.witness else "note: no witness was asked; who holds the key could have rewritten the log\n")
    verdicts = [(log, log.finish()) for log in logs]
    for log, faults in verdicts:
        print(*faults, sep="\n", end="\n" if faults else "")
        unsigned = log.tree.size - max((size for size in log.heads if size <= log.tree.size), default=0)
        print(
            f"{log.origin}: {log.tree.size} leaves{f' ({unsigned} not signed yet)' if unsigned else ''}, "
            f"{len(log.checkpoints)} checkpoints, {log.counts['row']} rows waiting, {len(log.witnessed)} witness notes"
            + (f", {log.counts['proof']} proofs: " if log.counts["proof"] else ": ")
            + (f"{len(faults)} FAULTS" if faults else "valid")
        )
    return int(any(faults for _, faults in verdicts))


if __name__ == "__main__":
    sys.exit(main())
