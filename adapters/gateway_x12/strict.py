"""Validation of a whole file against the implementation guide, by pyx12 (extra ``x12``).

Slow, a few hundred claims a second, and with the whole file in memory: for a file that a payer disputes, not for the
data path. Findings give the guide's codes in our words; pyx12's own sentences quote values and are left out.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.errors import PluginFailed
from gateway.model.exchange import Finding
from gateway.wire.x12 import text_of

NO_GUIDE = "no-guide"
"""Reason of a finding that is no mistake of the file: pyx12 has maps of 835, 837, 277CA and 999, not of 271 and 278."""
_SEGMENT = {
    "1": "the segment is not expected here",
    "2": "the segment is not used here",
    "3": "a required segment before this place is missing",
    "4": "the loop occurs too often",
    "5": "the segment occurs too often",
    "6": "the segment does not belong to this transaction set",
    "7": "the segment is out of order",
    "8": "elements of the segment are wrong",
}
"""Implementation segment syntax errors, IK304."""
_ELEMENT = {
    "1": "a required element is missing",
    "2": "an element that another one requires is missing",
    "3": "there are too many elements",
    "4": "the element is too short",
    "5": "the element is too long",
    "6": "the element has a character it must not have",
    "7": "the code is not in the list of the guide",
    "8": "not a date",
    "9": "not a time",
    "10": "elements that exclude each other are both there",
    "12": "the element repeats too often",
    "13": "there are too many components",
    "I10": "the guide does not use this element",
}
"""Implementation data element syntax errors, IK403."""


def validate(data: bytes) -> list[Finding]:
    """What the implementation guide objects to in a file; empty when it is valid.

    Raises ``PluginFailed`` when the extra is not installed.
    """
    try:
        from pyx12.errors import EngineError, X12Error
        from pyx12.params import params
        from pyx12.x12n_document import x12n_document
    except ImportError:
        raise PluginFailed(
            "validation needs pyx12", where="x12", fix="install the gateway with the extra x12"
        ) from None
    log = logging.getLogger("pyx12")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)  # its lines quote values
    report = io.StringIO()
    try:
        x12n_document(params(), io.StringIO(text_of(data)), None, None, fd_json=report)
    except EngineError:  # its sentence names the version, which is the sender's text
        what = "pyx12 has no map of a guide in this file, so that nothing of it was checked against a guide"
        fix = "cut the file with `gateway x12 split` and check the other transactions alone"
        return [Finding(reason=NO_GUIDE, what=what, where="file", fix=fix)]
    except (X12Error, ValueError, AttributeError, IndexError):  # what a broken envelope makes it raise
        return [Finding(reason="not-validated", what="the envelope is too broken to validate the rest", where="file")]
    finally:
        log.setLevel(before)
    if not report.getvalue():
        return [Finding(reason="not-x12", what="the file does not begin with an interchange header", where="file")]
    return list(_findings(json.loads(report.getvalue())))


def _findings(report: dict[str, Any]) -> Iterator[Finding]:
    for interchange in report["interchanges"]:
        yield from _level(interchange, "interchange")
        for group in interchange["groups"]:
            yield from _level(group, "functional group")
            for transaction in group["transactions"]:
                yield from _level(transaction, "transaction")
                for segment in transaction["segments"]:
                    yield from _segment(segment)


def _level(level: dict[str, Any], name: str) -> Iterator[Finding]:
    for error in level["errors"]:
        what = f"the trailer or header of the {name} is wrong (code {error['err_cde']})"
        yield Finding(reason="envelope", what=what, where=f"{name} that ends at segment {level['cur_line']}")


def _segment(segment: dict[str, Any]) -> Iterator[Finding]:
    place = f"segment {segment['cur_line']}, {segment['seg_id']}"
    yield from _coded(segment["errors"], _SEGMENT, "segment", place)
    for element in segment["elements"]:
        component = f".{element['subele_pos']}" if element["subele_pos"] else ""
        yield from _coded(element["errors"], _ELEMENT, "element", f"{place}-{element['ele_pos']:02d}{component}")


def _coded(errors: Sequence[dict[str, Any]], words: dict[str, str], kind: str, place: str) -> Iterator[Finding]:
    for error in errors:
        code = str(error["err_cde"])
        yield Finding(reason=f"{kind}-{code}", what=words.get(code, "a rule of the guide is broken"), where=place)
