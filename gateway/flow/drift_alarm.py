"""One alarm of drift: what was seen of it, and how it is kept."""

from __future__ import annotations

import msgspec

from gateway.flow.clock import micros
from gateway.flow.words import stored_word
from gateway.model.patch import HeldField
from gateway.store.messages import Values
from gateway.store.rows import Found

EMPTIED = "emptied"
"""What a form shows beside what must not be read; other alarms are called by why a field could not be read."""
MOST_CODES = 20
"""Codes that are told of one place; where there are more it holds no codes."""
TOLD_AFTER = 3
"""So many messages must have sent a code before its text is told: a name that slipped into the place comes once."""
MOST_FIELDS = 16
Key = tuple[str, str, str]
"""Kind, place, and what happened."""


class Detail(msgspec.Struct):
    """What an alarm tells beside its key; no value of a patient."""

    fields: set[str] = set()
    """Canonical fields concerned, as ``Appointment.status``."""
    rule: str = ""
    table: str = ""
    codes: set[str] = set()
    """Codes as sent that the table does not list."""
    many: bool = False
    """There were more codes than are kept."""
    types: list[str] = []
    """New types of the place's content."""
    held: bool = False
    """Whether fields are held for it."""


class Alarm(msgspec.Struct):
    """One alarm as the gateway knows it."""

    kind: str
    place: str
    what: str
    state: str
    count: int
    first_at: int
    last_at: int
    detail: Detail
    reopened: bool = False
    """Whether something new came after a person had accepted it, which is not written yet."""
    unsure: dict[str, set[int]] = {}
    """Codes that too few messages sent so far, by these messages; in memory alone."""

    @classmethod
    def opened(cls, key: Key) -> Alarm:
        """A new one."""
        now = micros()
        return cls(*key, state="open", count=0, first_at=now, last_at=now, detail=Detail())

    @classmethod
    def kept(cls, row: Found) -> Alarm:
        """One as it was kept."""
        detail = msgspec.json.decode(row.detail, type=Detail)
        return cls(row.kind, row.place, row.what, row.state, row.count, row.first_at, row.last_at, detail)

    @property
    def key(self) -> Key:
        """What it is known by at its source."""
        return self.kind, self.place, self.what

    def again(self) -> bool:
        """Note one more message that showed it; whether that opened it."""
        self.count += 1
        self.last_at = micros()
        opens = self.count == 1 or self.state == "resolved"
        if opens:
            self.state = "open"
        return opens

    def concern(self, held: HeldField, type: str, message_id: int, *, again: bool) -> None:
        """Note a field that is held for it; a code not seen before opens it, unless its message is read ``again``."""
        detail = self.detail
        detail.rule, detail.table = detail.rule or held.rule, detail.table or held.table
        if len(detail.fields) < MOST_FIELDS:
            detail.fields.add(f"{type}.{held.field}")
        if held.code and held.code not in detail.codes and not detail.many:
            self._sent(held.code, message_id, again=again)

    def _sent(self, code: str, message_id: int, *, again: bool) -> None:
        detail = self.detail
        if code not in self.unsure and not again:
            self.reopened = self.reopened or self.state == "accepted"
            self.state = "open"
        messages = self.unsure.setdefault(code, set())
        messages.add(message_id)
        if len(messages) >= TOLD_AFTER:
            detail.codes.add(code)
            del self.unsure[code]
        if len(detail.codes) + len(self.unsure) > MOST_CODES:
            detail.many, detail.codes = True, set()
            self.unsure.clear()

    def row(self, tenant: str, source: str, mapping: bytes) -> Values:
        """As it is kept."""
        return {
            "tenant": tenant, "source": source, "kind": self.kind, "place": self.place, "what": self.what,
            "state": self.state, "count": self.count, "first_at": self.first_at, "last_at": self.last_at,
            "mapping": mapping, "detail": msgspec.json.encode(self.detail, order="sorted").decode(),
        }  # fmt: skip


def key_of(kind: str, place: str, what: str) -> Key:
    """A key as columns can hold it."""
    return stored_word(kind, 64), stored_word(place, 120), stored_word(what, 24)
