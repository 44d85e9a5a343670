"""Validation by hl7apy, or by a message profile: for onboarding and conformance reports, never on a message's way."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Collection
from functools import cache
from typing import Any

from hl7apy import load_reference
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from gateway.errors import GatewayError
from gateway.model.exchange import Finding
from gateway.wire.hl7 import Message, split_segments
from gateway_hl7.strict_judge import judged
from gateway_hl7.strict_profile import Profile

# The library's sentence, the word for it, our sentence, and where in the library's sentence the place begins.
_RULES = (
    ("Missing required child", "missing-required", "Something the standard requires is not there.", "child "),
    ("Child limit exceeded", "too-many", "Something repeats more often than the standard allows.", "exceeded "),
    ("Invalid children detected", "not-allowed-here", "The standard does not know this here.", "for "),
    ("Datatype", "wrong-datatype", "The datatype is not the standard's.", " correct for "),
    ("Unknown element found", "unknown-element", "The standard does not know this.", "found: "),
    ("Value", "not-in-table", "The code is not in the standard's table.", " in element "),
    ("Exceeded max length", "too-long", "The value is longer than the standard allows.", " of "),
)
_NAME = re.compile(r"\b([A-Z][A-Z0-9]{1,2})_(\d{1,3})\b|\b([A-Z][A-Z0-9]{2})\b(?!_)")


def check(body: bytes) -> list[Finding]:
    """Every way in which one message differs from the standard of its version, named by place and never by value."""
    try:
        message = Message(body)
        segments = split_segments(message.text, message.delimiters.field)
    except GatewayError as error:
        return [Finding(reason="unreadable", what=error.what, where=error.where, fix=error.fix)]
    try:
        parsed = parse_message("\r".join(filter(None, segments)), find_groups=True)
        lines = _report(parsed)
    except (HL7apyException, ValueError, KeyError, AttributeError, IndexError) as error:
        # The library's own words may quote the message, and it raises what its parser stumbles over.
        return [Finding(reason="unreadable", what=f"The library cannot read it: {type(error).__name__}.", where="MSH")]
    return [_finding(line) for line in lines]


def check_profile(body: bytes, profile: Profile) -> list[Finding]:
    """Every way in which one message differs from a message profile, named by place and never by value."""
    return judged(body, profile, lambda table: codes(table, profile.version))


@cache
def codes(table: str, version: str) -> Collection[str] | None:
    """The codes of an HL7 table, by its four digits, in a version; None where the library knows none."""
    try:
        return frozenset(load_reference(f"HL7{table}", "Table", version or "2.5.1")[1]) or None
    except (HL7apyException, ValueError, KeyError, ImportError, TypeError, IndexError):
        return None  # a table of the site's own, or a version that the library does not know


def _report(parsed: Any) -> list[str]:
    """All errors and warnings. The library writes them to a file; a pipe keeps the values in memory."""
    reading, writing = os.pipe()
    found: list[str] = []

    def drain() -> None:
        with open(reading, encoding="utf-8") as report:  # noqa: PTH123  # a descriptor has no path
            found.extend(line for line in report.read().splitlines() if line)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        with contextlib.suppress(HL7apyException):  # raised beside the report, for the first line of it
            parsed.validate(report_file=writing)
    finally:
        with contextlib.suppress(OSError):  # the library closed it when it wrote
            os.close(writing)
        reader.join()
    return found


def _place(names: str) -> str:
    """``PID_10.CE_3`` and ``SCH.SCH_16`` as paths are written here: ``PID-10.3`` and ``SCH-16``."""
    place = ""
    for segment, number, name in _NAME.findall(names):
        if not number:
            place = name
        elif "-" in place:
            place += f".{number}"
        else:
            place = f"{segment}-{number}"
    return place


def _finding(line: str) -> Finding:
    _, _, text = line.partition(": ")
    for begin, reason, what, before in _RULES:
        if text.startswith(begin):
            # Whatever stands before the place may be a value; what follows it are names of the standard.
            return Finding(reason=reason, what=what, where=_place(text.rpartition(before)[2]))
    return Finding(reason="not-valid", what="The message differs from the standard.", where="")
