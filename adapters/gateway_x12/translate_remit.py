"""Claims and remittances to patches: the mapping moves fields, this adds up what must add up.

Service lines and adjustments are built here and not by mapping rules, because their amounts make the balances and
because at 30 of them in a claim they decide the speed.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

from gateway.errors import InvalidContent
from gateway.model.identity import Ref
from gateway.model.patch import Patch
from gateway.model.remittance import imbalance
from gateway.model.values import ZERO
from gateway.wire.x12_835 import Elements, amount, element, pairs, quantity
from gateway.wire.x12_loop import name_of
from gateway_x12.records import Claim, read_date
from gateway_x12.translate_summary import stated, summaries

_LINE_FIELDS = {
    "DTM": {"472": "starts_on", "150": "starts_on", "151": "ends_on"},
    "REF": {"6R": "line_control_number"},
    "AMT": {"B6": "allowed"},
    "LQ": {"HE": "remarks"},
}
"""What is read of a service line beside SVC and CAS, by id and qualifier; everything else there is residue."""
_NOTHING: dict[str, str] = {}


def add_payment(read: Claim, patch: Patch, left: set[str]) -> None:
    """Complete a ClaimPayment; what is not read in its lines is added to ``left``."""
    patch.fields.update(_claim(read, left))
    segments = read.loop.segments
    if "MOA" in segments or "MIA" in segments:
        patch.fields["stated"] = stated(segments, left)


def add_remittance(read: Claim, patch: Patch, left: set[str]) -> None:
    """Complete a Remittance."""
    patch.fields.update(_remittance(read))
    if found := summaries(read.loop.segments, left):
        patch.fields["summaries"] = found


def _claim(read: Claim, left: set[str]) -> dict[str, Any]:
    """The fields of a claim payment that are made of its amounts; what is not read in lines is added to ``left``."""
    clp = read.loop.segments["CLP"][0]
    charge, paid = amount(clp, 3), amount(clp, 4)
    own: list[dict[str, Any]] = []
    adjusted = sum((_adjust(cas, own) for cas in read.loop.segments.get("CAS", ())), ZERO)
    lines = []
    balanced = True
    for segments in read.lines:
        line, line_adjusted = _line(segments, read.loop.component, left)
        lines.append(line)
        adjusted += line_adjusted
        balanced = balanced and "difference" not in line
    difference = imbalance(charge, (adjusted,), paid)
    fields: dict[str, Any] = {
        "lines": lines,
        "difference": difference,
        "claim_balanced": not difference,
        "line_balanced": balanced,
    }
    if own:
        fields["adjustments"] = own
    if "CORRECTS" in read.loop.segments:
        fields["corrects"] = Ref("ClaimPayment", read.loop.segments["KEY"][0][5])
    return fields


def _adjust(cas: Elements, into: list[dict[str, Any]]) -> Decimal:
    """Append the adjustments of one CAS segment; return their sum."""
    total, group = ZERO, element(cas, 1)
    for at in range(3, len(cas) + 1, 3):
        reason = cas[at - 1]
        if reason or element(cas, at):
            money = amount(cas, at)
            total += money
            into.append({"group": group, "reason": reason, "amount": money})
            if element(cas, at + 1):
                into[-1]["quantity"] = quantity(cas, at + 1)
    return total


def _line(segments: list[Elements], component: str, left: set[str]) -> tuple[dict[str, Any], Decimal]:
    """One service line, and the sum of its adjustments."""
    svc = segments[0]
    charge, paid = amount(svc, 2), amount(svc, 3)
    line = {**_procedure(svc[1], component), "charge": charge, "paid": paid}
    if len(svc) > 5:
        _units(svc, component, line)
    adjustments: list[dict[str, Any]] = []
    remarks: list[str] = []
    adjusted = ZERO
    for elements in segments[1:]:
        if elements[0] == "CAS":
            if len(elements) == 4:  # by far the most: one triplet without a quantity
                money = amount(elements, 3)
                adjusted += money
                adjustments.append({"group": elements[1], "reason": elements[2], "amount": money})
            else:
                adjusted += _adjust(elements, adjustments)
            continue
        field = _LINE_FIELDS.get(elements[0], _NOTHING).get(elements[1]) if len(elements) > 2 else None
        if field is None:
            left.add(name_of(elements))
        elif field == "allowed":
            line[field] = amount(elements, 2)
        elif field == "remarks":
            remarks.append(elements[2])
        elif elements[0] != "DTM":
            line[field] = elements[2]
        elif (day := read_date(elements[2])) is not None:
            line[field] = day
        else:
            left.add(f"{name_of(elements)}-02")
    if adjustments:
        line["adjustments"] = adjustments
    if remarks:
        line["remarks"] = remarks
    if charge - adjusted != paid:
        line["difference"] = imbalance(charge, (adjusted,), paid)
    return line, adjusted


@lru_cache(maxsize=4096)
def _procedure(composite: str, component: str) -> dict[str, Any]:
    """The procedure paid; the same few come again and again. Whoever gets it makes a copy."""
    qualifier, code, *modifiers = (composite + component).split(component)
    made: dict[str, Any] = {"procedure_code": code}
    if qualifier:
        made["qualifier"] = qualifier
    if modifiers := [one for one in modifiers[:4] if one]:
        made["modifiers"] = tuple(modifiers)
    return made


def _units(svc: Elements, component: str, line: dict[str, Any]) -> None:
    """The units paid, and the procedure and units billed where the payer changed them."""
    if svc[5]:
        line["units"] = quantity(svc, 5)
    if len(svc) > 6:
        submitted = svc[6].split(component)
        if element(submitted, 1):
            line["submitted_code"] = submitted[1]
        if element(svc, 7):
            line["submitted_units"] = quantity(svc, 7)


def _remittance(read: Claim) -> dict[str, Any]:
    """The fields of a remittance that are made of its amounts and of what its claims added up to."""
    segments = read.loop.segments
    bpr = segments.get("BPR", [["BPR"]])[0]
    paid = -amount(bpr, 2) if element(bpr, 3) == "D" else amount(bpr, 2)
    adjustments = [_provider_adjustment(one, read) for plb in segments.get("PLB", ()) for one in pairs(plb)]
    totals = segments.get("TOTALS")
    if totals is None:
        raise InvalidContent(
            "no-context", "What the claims add up to is not known", where="context", fix="Import the file again."
        )
    _, claims, charge_total, paid_total, _, claims_off, lines_off, unread = totals[0]
    difference = imbalance(Decimal(paid_total), (one["amount"] for one in adjustments), paid)
    off = int(claims_off) + int(unread)
    balanced = not difference and unread == "0"
    return {
        "amount": paid,
        "provider_adjustments": adjustments,
        "claim_count": int(claims),
        "charge_total": Decimal(charge_total),
        "paid_total": Decimal(paid_total),
        "balanced": balanced,
        "difference": difference,
        "balance": {
            "line": lines_off == "0" and unread == "0",
            "claim": not off,
            "transaction": balanced,
            "lines_off": int(lines_off),
            "claims_off": off,
        },
    }


def _provider_adjustment(plb: Elements, read: Claim) -> dict[str, Any]:
    """One reason and amount of a PLB segment."""
    reason, reference = (*plb[3].split(read.loop.component), "")[:2]
    one: dict[str, Any] = {"reason": reason, "amount": amount(plb, 4), "provider_id": plb[1]}
    if reference:
        one["reference"] = reference
    year_end = read_date(plb[2])
    if year_end:
        one["fiscal_period_end"] = year_end
    return one
