"""Control totals of BAI2 and ACH files: what the trailers say against what was read. No library is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from gateway.model.exchange import Finding

_COUNT = re.compile(r"[0-9]{1,18}")
"""Longer numbers count nothing, and Python refuses to read thousands of digits."""


class Totals:
    """Counts the records of one file and compares them with its trailers.

    BAI2: records of each account (49,03), accounts of each group (98,02), groups of the file (99,02). ACH: entries and
    addenda of each batch and the money in and out of it (record 8), in cents.
    """

    def __init__(self, format: Literal["BAI2", "ACH"]) -> None:
        self._format = format
        self._records = self._accounts = self._groups = self._entries = 0
        self._cents = [0, 0]
        self._closed = False

    def take(self, text: str, number: int) -> Iterator[Finding]:
        """Follow one record."""
        yield from self._bai2(text, number) if self._format == "BAI2" else self._ach(text, number)

    def continued(self, text: str, number: int) -> Iterator[Finding]:
        """A continuation counts as a record of its account."""
        del text, number
        self._records += 1
        return iter(())

    def close(self) -> Iterator[Finding]:
        """The file has ended: its trailer must have come."""
        if not self._closed:
            yield Finding(reason="missing-trailer", what="the file has no trailer: it was cut off", where="end of file")

    def _bai2(self, text: str, number: int) -> Iterator[Finding]:
        fields = text.rstrip("/").split(",")
        match fields[0]:
            case "02":
                self._accounts = 0
            case "03":
                self._records = 1
            case "16":
                self._records += 1
            case "49":
                self._records += 1
                self._accounts += 1
                yield from _compare(fields, 2, self._records, "records", number)
            case "98":
                self._groups += 1
                yield from _compare(fields, 2, self._accounts, "accounts", number)
            case "99":
                self._closed = True
                yield from _compare(fields, 2, self._groups, "groups", number)

    def _ach(self, text: str, number: int) -> Iterator[Finding]:
        match text[:1]:
            case "5":
                self._entries, self._cents = 0, [0, 0]
            case "6":
                self._entries += 1
                cents = text[29:39]
                debit = text[1:3] in ("27", "28", "29", "37", "38", "39")
                self._cents[0 if debit else 1] += int(cents) if cents.isdecimal() else 0
            case "7":
                self._entries += 1
            case "8":
                said = [text[4:10], text[20:32], text[32:44]]
                for place, count, what in zip(
                    said, (self._entries, *self._cents), ("entries", "cents out", "cents in"), strict=True
                ):
                    yield from _compare([place], 0, count, what, number)
            case "9":
                self._closed = True


def _compare(fields: list[str], place: int, counted: int, what: str, number: int) -> Iterator[Finding]:
    said = fields[place].strip() if len(fields) > place else ""
    if not _COUNT.fullmatch(said) or int(said) != counted:
        yield Finding(
            reason="count-mismatch", what=f"the trailer does not say the {what} that were read",
            where=f"line {number}",
        )  # fmt: skip
