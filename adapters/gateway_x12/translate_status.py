"""Acknowledgements (TA1, 997, 999) and statuses (277CA, 277) to the claim status history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.model.patch import Patch
from gateway.wire.x12_835 import Elements, amount, element
from gateway_x12.records import read_date
from gateway_x12.records_level import Message
from gateway_x12.translate_claim import read_period

_BATCH = "277CA"
_LEVELS = {"20": "batch", "21": "batch", "19": "provider"}
_OUTCOMES = {
    "A0": "forwarded", "A1": "accepted", "A2": "accepted", "A3": "rejected", "A4": "not-found", "A5": "pending",
    "A6": "rejected", "A7": "rejected", "A8": "rejected", "D0": "not-found", "E0": "rejected", "E1": "unavailable",
    "E2": "unavailable", "E3": "rejected", "E4": "rejected", "F0": "finalized", "F1": "paid", "F2": "denied",
    "F3": "finalized", "F4": "finalized", "F3F": "forwarded", "F3N": "finalized",
}  # fmt: skip
"""STC01-1; P0 to P5 are pending and R0 to R16 want more information."""
_NEXT = {
    "rejected": "Correct what the statuses name and send the claim again: it did not enter adjudication.",
    "more-information": "Send the payer what it asks for before its time runs out.",
    "not-found": "The payer has no such claim: check that it was sent to the right payer, and send it.",
    "unavailable": "The payer cannot say now: ask again later.",
    "denied": "Wait for the remittance, which has the reasons, or start on the denial.",
}
_SYNTAX = {"A": "accepted", "E": "accepted-with-errors", "P": "partly-accepted"}
"""TA104, IK501 and AK901; everything else is a rejection."""
_SYNTAX_NEXT = "Nothing of it was taken: correct what is named and send it again under new control numbers."


def outcome_of(category: str) -> str:
    """A claim status category code in one word."""
    if category in _OUTCOMES:
        return _OUTCOMES[category]
    return {"P": "pending", "R": "more-information"}.get(category[:1], "other")


# --- 277 and 277CA ---------------------------------------------------------------------------------------------------


def add_status(read: Message, patch: Patch, left: set[str]) -> None:
    """Complete the report of one claim, or of a level above the patients."""
    fields = patch.fields
    claimed = "NM1[P]" in read.loop.segments
    level = element(read.loop.segments.get("HL", [[]])[0], 3)
    fields["report"] = _report(read)
    fields["level"] = "claim" if claimed else _LEVELS.get(level, "batch")
    claim, lines = _services(read.body)
    component = read.loop.component
    stcs = [one for one in claim if one[0] == "STC"]
    statuses = [status for stc in stcs for status in _statuses(stc, component)]
    fields["statuses"] = statuses
    if told := [status for one in lines if one[0] == "STC" for status in _statuses(one, component)]:
        fields["lines"] = told
    outcome = outcome_of(statuses[0]["category"] if statuses else told[0]["category"] if told else "")
    fields["outcome"] = outcome
    if outcome in _NEXT:
        fields["next_step"] = _NEXT[outcome]
    if stcs:
        _money(stcs[0], fields)
    if not claimed:
        trace = next((element(one, 2) for one in claim if one[0] == "TRN"), "")
        if trace and level == "21":
            fields["about"] = {"batch": trace}
        fields.pop("control_number", None)
        fields.pop("claim", None)
    _details(claim, fields, left)


def _report(read: Message) -> str:
    gs, bht = (read.loop.segments.get(name, [[]])[0] for name in ("GS", "BHT"))
    return _BATCH if "X214" in element(gs, 8) or element(bht, 1) == "0085" else "277"


def _services(body: list[Elements]) -> tuple[list[Elements], list[Elements]]:
    """What is said of the claim, and of its service lines."""
    for at, elements in enumerate(body):
        if elements[0] == "SVC":
            return body[:at], body[at:]
    return body, []


def _statuses(stc: Elements, component: str) -> Iterable[dict[str, Any]]:
    effective = read_date(element(stc, 2))
    for number in (1, 10, 11):
        parts = element(stc, number).split(component)
        if not parts[0]:
            continue
        status: dict[str, Any] = {"category": parts[0]}
        if element(parts, 1):
            status["code"] = parts[1]
        if element(parts, 2):
            status["entity"] = parts[2]
        if effective is not None:
            status["effective_on"] = effective
        yield status


def _money(stc: Elements, fields: dict[str, Any]) -> None:
    if element(stc, 3):
        fields["action"] = stc[3]
    if element(stc, 4):
        fields["charge"] = amount(stc, 4)
    if element(stc, 5):
        fields["paid"] = amount(stc, 5)
    if element(stc, 9):
        fields["check_number"] = stc[9]


_REFERENCES = {"1K": "payer_claim_number", "D9": "clearinghouse_number"}
_COUNTS = {"90": "accepted_count", "QA": "accepted_count", "AA": "rejected_count", "QC": "rejected_count"}
"""QTY01 of 277CA, levels 2200B and 2200C."""


def _details(claim: list[Elements], fields: dict[str, Any], left: set[str]) -> None:
    for one in claim:
        id, qualifier, value = one[0], element(one, 1), element(one, 2)
        if id == "REF" and qualifier in _REFERENCES and value:
            fields[_REFERENCES[qualifier]] = value
        elif id == "QTY" and qualifier in _COUNTS and value.isdecimal() and len(value) <= 9:
            fields[_COUNTS[qualifier]] = int(value)
        elif id == "DTP" and qualifier == "472" and (period := read_period(value, element(one, 3)))[0]:
            fields["starts_on"] = period[0]
            if period[1]:
                fields["ends_on"] = period[1]
        elif id not in {"TRN", "STC", "SE"}:
            left.add(f"{id}[{qualifier}]" if id in {"REF", "QTY", "DTP", "AMT", "NM1"} else id)


# --- TA1, 997 and 999 ------------------------------------------------------------------------------------------------


def add_acknowledgement(read: Message, patch: Patch, left: set[str]) -> list[Patch]:
    """Complete the report of the interchange or group; return one for each transaction it names."""
    del left  # an acknowledgement is read whole
    first = read.body[0]
    if first[0] == "TA1":
        _interchange(first, patch.fields)
        return []
    patch.fields["report"] = element(first, 1)
    group: dict[str, Any] = {}
    sets: list[list[Elements]] = []
    for elements in read.body:
        id = elements[0]
        if id == "AK1":
            group = {"group": element(elements, 2)}
        elif id == "AK2":
            sets.append([elements])
        elif id == "AK9":
            _group(elements, patch.fields)
        elif sets:
            sets[-1].append(elements)
    patch.fields.setdefault("outcome", "other")
    patch.fields.update(level="group", about=group)
    return [_transaction(one, group, patch, number) for number, one in enumerate(sets, 1)]


def _interchange(ta1: Elements, fields: dict[str, Any]) -> None:
    fields.update(report="TA1", level="interchange", about={"interchange": element(ta1, 1)})
    _verdict(element(ta1, 4), [code for code in [element(ta1, 5)] if code not in {"", "000"}], fields)


def _group(ak9: Elements, fields: dict[str, Any]) -> None:
    _verdict(element(ak9, 1), [code for code in ak9[5:10] if code], fields)
    received, accepted = element(ak9, 3), element(ak9, 4)
    if received.isdecimal() and accepted.isdecimal() and len(received + accepted) <= 12:
        fields["accepted_count"] = int(accepted)
        fields["rejected_count"] = max(int(received) - int(accepted), 0)


def _verdict(code: str, codes: list[str], fields: dict[str, Any]) -> None:
    fields["outcome"] = _SYNTAX.get(code, "rejected")
    if codes:
        fields["codes"] = tuple(codes)
    if fields["outcome"] == "rejected":
        fields["next_step"] = _SYNTAX_NEXT


def _transaction(segments: list[Elements], group: dict[str, Any], whole: Patch, number: int) -> Patch:
    """The report of one transaction set (AK2 to IK5 or AK5)."""
    ak2 = segments[0]
    fields: dict[str, Any] = {
        "report": whole.fields["report"],
        "level": "transaction",
        "outcome": "other",
        "about": group | {"set": element(ak2, 1), "transaction": element(ak2, 2)},
        "errors": list(_objections(segments[1:])),
    }
    fields |= {name: whole.fields[name] for name in ("reported_by", "reported_at") if name in whole.fields}
    for one in segments:
        if one[0] in {"IK5", "AK5"}:
            _verdict(element(one, 1), [code for code in one[2:7] if code], fields)
    return Patch(
        type=whole.type, native_id=f"{whole.native_id}/{number}", fields=fields, source_version=whole.source_version
    )


def _objections(segments: list[Elements]) -> Iterable[dict[str, Any]]:
    """One for each segment objected to, or for each of its elements; values are left out, they may be a patient's."""
    segment: dict[str, Any] = {}
    told = True
    for one in segments:
        if one[0] in {"IK3", "AK3"}:
            if not told:
                yield segment
            segment = {"segment": element(one, 1)} | _placed(one)
            told = False
        elif one[0] in {"IK4", "AK4"} and segment:
            told = True
            place = element(one, 1).replace(":", ".")
            yield {**segment, "element": place, "code": element(one, 3)}
    if not told:
        yield segment


def _placed(ik3: Elements) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if element(ik3, 2).isdecimal() and len(ik3[2]) <= 9:
        found["position"] = int(ik3[2])
    if element(ik3, 3):
        found["loop"] = ik3[3]
    if element(ik3, 4):
        found["code"] = ik3[4]
    return found
