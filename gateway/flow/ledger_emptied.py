"""The ledger of what was emptied: whose content is gone is named by a drop entry of the audit log, or was shredded.

Content that retention took away and content that somebody emptied behind the gateway's back look the same in their
rows. What the gateway does it writes down in the same unit of work, so what nothing explains somebody else did.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import defaultdict

from sqlalchemy import Connection

from gateway.audit import rows_of
from gateway.flow.ledger_messages import ByMessage, Report
from gateway.flow.places import change_row
from gateway.flow.words import SHREDDED
from gateway.store import recount

DROP = b'"action":"drop"'
"""How these entries are told in their canonical text."""
EMPTIED = "its content is gone, and neither a drop entry of the audit log nor a shredding says why"


class Drops:
    """Messages and versions that drop entries name, in a few bytes each: retention names nearly everything in time."""

    def __init__(self) -> None:
        self._messages = ByMessage()
        self._versions: dict[int, array[int]] = defaultdict(lambda: array("Q"))
        self._sorted: dict[int, array[int]] = {}

    def take(self, body: bytes) -> None:
        """Note what an entry of the audit log says was dropped; other entries say nothing."""
        if DROP not in body:
            return
        for row in rows_of(body, "messages"):
            if isinstance(row, int):
                self._messages[row] = 1
        for row in rows_of(body, "changes"):
            digest = _digest(str(row))
            self._versions[digest >> 48].append(digest)

    def has_message(self, message_id: int) -> bool:
        """Whether an entry says that this message was dropped."""
        return bool(self._messages[message_id])

    def has_version(self, row: str) -> bool:
        """Whether one says so of a version, by its row's name. Asked once everything is noted."""
        digest = _digest(row)
        part = digest >> 48
        if part not in self._sorted:
            self._sorted[part] = array("Q", sorted(self._versions.pop(part, ())))
        found = self._sorted[part]
        place = bisect_left(found, digest)
        return place < len(found) and found[place] == digest


def _digest(row: str) -> int:
    return int.from_bytes(hashlib.blake2b(row.encode(), digest_size=8).digest())


def count(connection: Connection, tenant: str, drops: Drops, report: Report) -> None:
    """Report messages and versions that were emptied and that nothing explains."""
    unexplained = {one for one in recount.emptied_messages(connection, tenant, SHREDDED) if not drops.has_message(one)}
    if unexplained:
        unexplained.difference_update(recount.messages_of_shredded(connection, tenant))
    for message_id in sorted(unexplained):
        report("emptied-on-purpose", f"message {message_id}", EMPTIED)
    for record_id, version in recount.emptied_versions(connection, tenant):
        row = change_row(record_id, version)
        if not drops.has_version(row):
            report("emptied-on-purpose", f"version {row}", EMPTIED)
