"""What one route remembers between dispatches: control numbers, what was sent, and who payers and clinics are.

One line per fact, appended and synced before anything is sent, so a crash never gives one document two control
numbers. No patient data: documents are remembered by digests, and payers, practitioners, locations and organizations
are nobody's patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.errors import InvalidConfiguration
from gateway.model import decode
from gateway.model.organization import Organization
from gateway.transport.locked_lines import LockedLines
from gateway.wire.json_decoder import decoder
from gateway.wire.x12_write import MAX_CONTROL

T = TypeVar("T", bound=msgspec.Struct)
KEPT_TYPES = frozenset({"Practitioner", "Location", "Organization", "Payer"})


class _Line(msgspec.Struct, omit_defaults=True):
    """One fact: a control number given to a key, a document sent, or a record of the directory."""

    key: str = ""
    control: int = 0
    sent: str = ""
    digest: str = ""
    type: str = ""
    id: str = ""
    record: msgspec.Raw = msgspec.Raw(b"null")


_decode = decoder(_Line)
_encode = msgspec.json.Encoder().encode


class Memory:
    """The memory file, held by one route alone.

    Raises:
        InvalidConfiguration: the file cannot be opened, is damaged before its last line, or another route has it.
    """

    def __init__(self, path: Path) -> None:
        self._controls: dict[str, int] = {}
        self._newest = 0
        self._sent: dict[str, str] = {}
        self._records: dict[tuple[str, str], msgspec.Struct] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lines = LockedLines(path)
            self._load(self._lines.whole())
        except BlockingIOError:
            raise InvalidConfiguration(
                "Another route uses this memory file", where="memory", fix="Give each route a file of its own."
            ) from None
        except OSError as error:
            raise InvalidConfiguration(
                f"The memory file cannot be used: {error.strerror}", where="memory", fix="Name a writable file."
            ) from None

    def _load(self, lines: Sequence[bytes]) -> None:
        for number, text in enumerate(lines, 1):
            try:
                self._take(_decode(text))
            except msgspec.DecodeError:
                self._lines.close()
                raise InvalidConfiguration(
                    "The memory file is damaged", where=f"memory line {number}", fix="Restore it from a backup."
                ) from None

    def _take(self, line: _Line) -> None:
        if line.control:
            self._controls[line.key] = self._newest = line.control
        elif line.sent:
            self._sent[line.sent] = line.digest
        elif line.type in KEPT_TYPES:
            self._records[line.type, line.id] = decode(line.type, bytes(line.record))

    def _add(self, line: _Line) -> None:
        self._lines.append(_encode(line) + b"\n")
        self._take(line)

    def control(self, key: str) -> int:
        """The control number of a delivery: the same for every attempt, after crashes too; 1 to 999,999,999."""
        if key not in self._controls:
            self._add(_Line(key=key, control=self._next()))
        return self._controls[key]

    def renumber(self, key: str) -> None:
        """Give a refused delivery another control number for its next attempt: the refused one is used up."""
        self._add(_Line(key=key, control=self._next()))

    def _next(self) -> int:
        return self._newest % MAX_CONTROL + 1

    def sent(self, document: str) -> str | None:
        """Digest of what was sent as this document; None when nothing was."""
        return self._sent.get(document)

    def note_sent(self, document: str, digest: str) -> None:
        """Remember that a document was sent, before anybody is told."""
        self._add(_Line(sent=document, digest=digest))

    def keep(self, type: str, id: str, body: bytes) -> None:
        """Keep the newest state of a payer, practitioner, location or organization."""
        if self._records.get((type, id)) != decode(type, body):
            self._add(_Line(type=type, id=id, record=msgspec.Raw(body)))

    def find(self, kind: type[T], id: str | None) -> T | None:
        """A record of the directory by its id."""
        found = self._records.get((kind.__name__, id or ""))
        return found if isinstance(found, kind) else None

    def only(self, kind: type[T]) -> T | None:
        """The one record of a type, when there is exactly one."""
        found = [record for record in self._records.values() if isinstance(record, kind)]
        return found[0] if len(found) == 1 else None

    def with_npi(self, npi: str) -> Organization | None:
        """The organization with an NPI."""
        found = (one for one in self._records.values() if isinstance(one, Organization) and one.npi == npi)
        return next(found, None)

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()
