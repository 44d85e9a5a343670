"""Claims and remittances to patches: the mapping moves fields, this adds up what must add up.

Service lines and adjustments are built here and not by mapping rules, because their amounts make the balances and
because at 30 of them in a claim they decide the speed.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gateway.model.patch import Normalized
from gateway.model.remittance import imbalance
from gateway.model.values import ZERO
from gateway.wire.x12_835 import Elements, amount, element, pairs, quantity, triplets
from gateway.wire.x12_835_cut import CLAIM, REMITTANCE
from gateway.wire.x12_loop import name_of
from gateway_x12.records import Claim, read_claim, read_date, read_remittance

if TYPE_CHECKING:
    from gateway.mapping import Mapping

_LINE_FIELDS = {
    "DTM[472]": "starts_on",
    "DTM[150]": "starts_on",
    "DTM[151]": "ends_on",
    "REF[6R]": "line_control_number",
    "AMT[B6]": "allowed",
    "LQ[HE]": "remarks",
}
"""What is read of a service line beside SVC and CAS; everything else there is residue."""
_OURS = {
    CLAIM: frozenset({"CAS", "KEY", "ORDINAL", "ISA", "GS", "ST", "BPR", "TRN", "N1[PR]", "N1[PE]"}),
    REMITTANCE: frozenset({"PLB", "KEY", "TOTALS", "ISA", "GS", "ST", "SE", "BPR", "TRN"}),
}
"""What is read, or belongs to the envelope, whatever the mapping says."""


def normalizer(mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
    """A pure function from a message and its context to patches."""
    known = {kind: ours | {path.partition("-")[0] for path in mapping.covered(kind)} for kind, ours in _OURS.items()}

    def normalize(body: bytes, context: bytes) -> Normalized:
        if body.startswith(b"CLP"):
            kind, type, read, add = CLAIM, "ClaimPayment", read_claim(body, context), _claim
        else:
            kind, type, read, add = REMITTANCE, "Remittance", read_remittance(body, context), _remittance
        patches = mapping.patches(kind, read.loop)
        left = read.loop.segments.keys() - known[kind]
        for patch in patches:
            if patch.type == type:
                patch.fields.update(add(read, left))
        residue = (*sorted(left), *read.unread) if left or read.unread else ()
        return Normalized(patches=patches, residue=residue)

    return normalize


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
        "charge": charge,
        "paid": paid,
        "lines": lines,
        "difference": difference,
        "claim_balanced": not difference,
        "line_balanced": balanced,
    }
    if own:
        fields["adjustments"] = own
    if element(clp, 5):
        fields["patient_responsibility"] = amount(clp, 5)
    return fields


def _adjust(cas: Elements, into: list[dict[str, Any]]) -> Decimal:
    """Append the adjustments of one CAS segment; return their sum."""
    if len(cas) == 4:  # by far the most: one triplet without a quantity
        money = amount(cas, 3)
        into.append({"group": cas[1], "reason": cas[2], "amount": money})
        return money
    total = ZERO
    for one in triplets(cas):
        money = amount(one, 3)
        total += money
        into.append({"group": one[1], "reason": one[2], "amount": money})
        if element(one, 4):
            into[-1]["quantity"] = quantity(one, 4)
    return total


def _line(segments: list[Elements], component: str, left: set[str]) -> tuple[dict[str, Any], Decimal]:
    """One service line, and the sum of its adjustments."""
    svc = segments[0]
    charge, paid = amount(svc, 2), amount(svc, 3)
    line: dict[str, Any] = {"charge": charge, "paid": paid}
    _describe(svc, component, line)
    adjustments: list[dict[str, Any]] = []
    remarks: list[str] = []
    adjusted = ZERO
    for elements in segments[1:]:
        if elements[0] == "CAS":
            adjusted += _adjust(elements, adjustments)
            continue
        field = _LINE_FIELDS.get(name_of(elements))
        if field is None:
            left.add(name_of(elements))
        elif field == "allowed":
            line[field] = amount(elements, 2)
        elif field == "remarks":
            remarks.append(element(elements, 2))
        elif elements[0] == "DTM":
            line[field] = read_date(elements[2])
        else:
            line[field] = element(elements, 2)
    if adjustments:
        line["adjustments"] = adjustments
    if remarks:
        line["remarks"] = remarks
    difference = imbalance(charge, (adjusted,), paid)
    if difference:
        line["difference"] = difference
    return line, adjusted


def _describe(svc: Elements, component: str, line: dict[str, Any]) -> None:
    """What was done: the procedure paid, and the procedure and units billed where the payer changed them."""
    qualifier, code, *modifiers = (svc[1] + component).split(component)
    line["procedure_code"] = code
    if qualifier:
        line["qualifier"] = qualifier
    if modifiers := [one for one in modifiers[:4] if one]:
        line["modifiers"] = modifiers
    if len(svc) > 5:
        if svc[5]:
            line["units"] = quantity(svc, 5)
        if len(svc) > 6:
            submitted = svc[6].split(component)
            if len(submitted) > 1 and submitted[1]:
                line["submitted_code"] = submitted[1]
            if element(svc, 7):
                line["submitted_units"] = quantity(svc, 7)


def _remittance(read: Claim, left: set[str]) -> dict[str, Any]:
    """The fields of a remittance that are made of its amounts and of what its claims added up to."""
    del left  # a remittance has no lines
    segments = read.loop.segments
    bpr = segments.get("BPR", [["BPR"]])[0]
    paid = -amount(bpr, 2) if element(bpr, 3) == "D" else amount(bpr, 2)
    adjustments = [_provider_adjustment(one, read) for plb in segments.get("PLB", ()) for one in pairs(plb)]
    _, claims, charge_total, paid_total, _, claims_off, lines_off, unread = segments["TOTALS"][0]
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
