"""What we owe the sender of an X12 interchange: the verdict that a TA1 and a 999 tell."""

from __future__ import annotations

from msgspec import Struct


class AcknowledgedSet(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One transaction set that came (X12 999 loop 2000)."""

    id: str
    """Which set: 835, 271 (ST01, AK201)."""
    control: str
    """Its control number (ST02, AK202)."""
    version: str | None = None
    """Its guide (ST03, else GS08; AK203)."""
    codes: tuple[str, ...] = ()
    """What is wrong with it; none when it is accepted (IK502 to IK506)."""


class AcknowledgedGroup(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One functional group that came (X12 999)."""

    id: str
    """Functional identifier: HP remittances, HN statuses (GS01, AK101)."""
    control: str
    """Its control number (GS06, AK102)."""
    version: str
    """Its guide (GS08, AK103)."""
    received: int = 0
    """Sets that came (AK902, AK903)."""
    accepted: int = 0
    """Sets that nothing is wrong with (AK904)."""
    sets: tuple[AcknowledgedSet, ...] = ()
    """The sets one by one; of very many only the first, and those that something is wrong with."""
    codes: tuple[str, ...] = ()
    """What is wrong with the group (AK905 to AK909)."""


class Acknowledgement(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One interchange that came, as its envelope shows it."""

    sender: str
    """Who sent it and gets the acknowledgement (ISA06)."""
    sender_qualifier: str
    """Kind of that id (ISA05)."""
    receiver: str
    """What the sender calls us (ISA08)."""
    receiver_qualifier: str
    """Kind of that id (ISA07)."""
    control: str
    """Its control number (ISA13, TA101)."""
    day: str
    """Its date as written, YYMMDD (ISA09, TA102)."""
    time: str
    """Its time as written, HHMM (ISA10, TA103)."""
    note: str | None = None
    """What the TA1 says: 000 accepted, else the first thing wrong; absent when none is owed (TA105)."""
    groups: tuple[AcknowledgedGroup, ...] = ()
    """Groups that a 999 is owed for."""
