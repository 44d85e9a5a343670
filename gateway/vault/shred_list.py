"""The shred list outside keystore and data: who was shredded, in a file that no restored backup of either brings back.

One line per patient: tenant, record id, time. A record id is a keyed digest and tells nobody who the patient was. The
line is written before the key is destroyed, so what a crash interrupted is finished at the next start.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from gateway.transport.whole_file import add_line, sync_folder

_LINE = re.compile(rb"([a-z0-9][a-z0-9-]{0,62}) ([0-9a-f-]{36}) [0-9T:+-]{25}")


class ShredList:
    """Appends to the file and syncs it. Put it on another device or host than keystore and data."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, tenant: str, patient: bytes) -> None:
        """Keep one patient; after a torn line a new one begins."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        add_line(self.path, f"{tenant} {UUID(bytes=patient)} {at}")
        sync_folder(self.path.parent)

    def entries(self) -> set[tuple[str, bytes]]:
        """Everybody on the list: (tenant, patient); nobody while there is no file."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return set()
        found = (_LINE.fullmatch(line) for line in lines)
        return {(one[1].decode(), UUID(one[2].decode()).bytes) for one in found if one is not None}
