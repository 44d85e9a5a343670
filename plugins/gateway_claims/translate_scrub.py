"""What a payer would refuse in a visit's charges, found before the claim goes out. Pure.

Every finding says the rule, the line, why, and how to fix it. Errors hold the claim back; warnings do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Literal

from msgspec import Struct

from gateway.mapping import shipped
from gateway.model.coverage import Coverage
from gateway.model.values import ZERO
from gateway.model.visit import Charge, Visit
from gateway_claims.translate_units import cms_units, midpoint_units

DISCIPLINES = ("GP", "GO", "GN")
APART = frozenset({"59", "XE", "XS", "XP", "XU"})
_ASSISTANT = {"CQ": "GP", "CO": "GO"}
MEDICARE = "MB"


class Scrubbed(Struct, frozen=True):
    """One finding."""

    rule: str
    """A stable word: units-exceed-minutes, modifier-discipline, ..."""
    line: int | None
    """Place of the charge from 1; None when the whole visit is meant."""
    why: str
    fix: str
    severity: Literal["error", "warning"] = "error"


class Rules(Struct, frozen=True, kw_only=True):
    """What differs between payers."""

    midpoint: bool = False
    authorization_required: bool = False
    minutes_required: bool = True
    pairs: bool = True
    extra_pairs: tuple[str, ...] = ()


def scrub(
    visit: Visit, policy: Coverage, rules: Rules, *, authorized: bool, charged_this_year: Decimal = ZERO
) -> list[Scrubbed]:
    """Everything wrong with the charges of a visit.

    Args:
        visit: what was done.
        policy: who is billed.
        rules: what its payer asks for.
        authorized: whether an authorization covers the day.
        charged_this_year: charges of the patient's earlier visits of the year under the same threshold: an upper bound
            of what the payer allowed.
    """
    charges = visit.charges
    return [
        *_complete(visit),
        *_minutes(charges, midpoint=rules.midpoint, required=rules.minutes_required),
        *_modifiers(visit, charges, medicare=policy.filing_indicator == MEDICARE),
        *(_pairs(charges, rules.extra_pairs) if rules.pairs else ()),
        *_most(charges),
        *(_threshold(visit, charged_this_year) if policy.filing_indicator == MEDICARE else ()),
        *(_authorization() if rules.authorization_required and not authorized else ()),
    ]


def _timed(code: str) -> bool | None:
    """Whether a code is billed by time; None when it is no therapy code that we know."""
    return {"timed": True, "untimed": False}.get(shipped("therapy_timed").codes.get(code, ""))


def _complete(visit: Visit) -> Iterator[Scrubbed]:
    if not visit.charges:
        yield Scrubbed("no-charges", None, "The visit has nothing to bill.", "Enter its charges.")
    if not visit.diagnoses:
        yield Scrubbed("no-diagnosis", None, "A claim needs a diagnosis.", "Enter the diagnosis treated.")
    for number, one in enumerate(visit.charges, 1):
        if one.amount is None or one.amount <= 0:
            yield Scrubbed("no-amount", number, "The line has no charge.", "Enter the fee of the procedure.")


def _minutes(charges: Sequence[Charge], *, midpoint: bool, required: bool) -> Iterator[Scrubbed]:
    """Units against minutes: timed codes of the day together, or each by itself.

    Where minutes are not required, a visit that tells none is as its system tells all of them, and no finding; one
    that tells those of some timed codes and not of others is half entered.
    """
    told = any(_timed(one.procedure_code) and one.minutes is not None for one in charges)
    minutes: Counter[str] = Counter()
    for number, one in enumerate(charges, 1):
        timed = _timed(one.procedure_code)
        if timed and one.minutes is None:
            why = "A timed code needs the minutes of treatment."
            fix = "Enter the minutes of this procedure."
            if required or told:
                yield Scrubbed("timed-without-minutes", number, why, fix, "error" if required else "warning")
        elif timed:
            minutes[one.procedure_code] += one.minutes or 0
        elif timed is False and (one.units or 1) > 1:
            why = "An untimed code is one unit, however long it took."
            yield Scrubbed("untimed-units", number, why, "Bill one unit.")
    allowed = (midpoint_units if midpoint else cms_units)(minutes)
    billed: Counter[str] = Counter()
    for one in charges:
        if _timed(one.procedure_code) and one.minutes is not None:
            billed[one.procedure_code] += int(one.units or 0)
    rule = "each code by itself" if midpoint else "all timed minutes of the day together"
    too_many = {code for code, units in billed.items() if units > allowed.get(code, 0)}
    if not midpoint and sum(billed.values()) <= sum(allowed.values()):
        too_many = {code for code in too_many if billed[code] > allowed.get(code, 0) + _tie(minutes, code)}
    for number, one in enumerate(charges, 1):
        if one.procedure_code in too_many:
            most = allowed.get(one.procedure_code, 0)
            why = f"The minutes allow {most} units of this code ({rule}), {billed[one.procedure_code]} are billed."
            yield Scrubbed("units-exceed-minutes", number, why, f"Bill {most}, or correct the minutes.")
    if sum(billed.values()) < sum(allowed.values()) and not too_many:
        why = f"The minutes allow {sum(allowed.values())} units, {sum(billed.values())} are billed."
        yield Scrubbed("units-below-minutes", None, why, "See whether a unit was forgotten.", "warning")


def _tie(minutes: Counter[str], code: str) -> int:
    """One more unit where another code has as many minutes left over: the rule leaves the choice open."""
    left = minutes[code] % 15
    return int(left > 0 and any(count % 15 == left for other, count in minutes.items() if other != code))


def _modifiers(visit: Visit, charges: Sequence[Charge], *, medicare: bool) -> Iterator[Scrubbed]:
    """GP, GO or GN in the first two places; an assistant's modifier with the discipline it belongs to."""
    for number, one in enumerate(charges, 1):
        if _timed(one.procedure_code) is None:
            continue
        found = [modifier for modifier in one.modifiers if modifier in DISCIPLINES]
        if len(found) != 1:
            why = "A therapy line names exactly one plan of care: GP, GO or GN."
            yield Scrubbed("modifier-discipline", number, why, "Add the one of the therapist's discipline.")
        elif found[0] not in one.modifiers[:2]:
            why = "The plan of care stands in the first or second modifier."
            yield Scrubbed("modifier-order", number, why, f"Move {found[0]} to the front.")
        for mark, discipline in _ASSISTANT.items():
            if mark in one.modifiers and discipline not in found:
                yield Scrubbed("modifier-assistant", number, f"{mark} goes with {discipline}.", "Correct one of them.")
        if medicare and visit.supervisor is not None and not _ASSISTANT.keys() & set(one.modifiers):
            why = "An assistant treated under supervision, and Medicare pays that at 85 percent."
            yield Scrubbed("modifier-assistant", number, why, "Add CQ (with GP) or CO (with GO).", "warning")


def _pairs(charges: Sequence[Charge], extra: Sequence[str]) -> Iterator[Scrubbed]:
    """NCCI: column 2 beside column 1 needs 59 or X, or is never paid."""
    table = shipped("therapy_pair").codes
    for (_, first), (number, second) in permutations(enumerate(charges, 1), 2):
        pair = f"{first.procedure_code}-{second.procedure_code}"
        edit = table.get(pair) or ("modifier" if pair in extra else None)
        apart = APART & {*first.modifiers, *second.modifiers}
        if edit == "never":
            why = f"{second.procedure_code} is never paid beside {first.procedure_code} on one day."
            yield Scrubbed("pair-never", number, why, f"Take out {second.procedure_code}.")
        elif edit == "modifier" and not apart:
            why = f"{second.procedure_code} is paid beside {first.procedure_code} only as a separate service."
            fix = "Add 59 or XE, XS, XP, XU where the notes show separate times; else take it out."
            yield Scrubbed("pair-without-modifier", number, why, fix)


def _most(charges: Sequence[Charge]) -> Iterator[Scrubbed]:
    """MUE: the most units of a code in a day."""
    table = shipped("therapy_most_units").codes
    billed: Counter[str] = Counter()
    for one in charges:
        billed[one.procedure_code] += int(one.units or 1)
    for number, one in enumerate(charges, 1):
        most = table.get(one.procedure_code)
        told = _timed(one.procedure_code) is False and most != "0"  # more than one of an untimed code
        if most is not None and not told and billed[one.procedure_code] > int(most):
            why = f"At most {most} units of this code are paid in a day, {billed[one.procedure_code]} are billed."
            yield Scrubbed("most-units", number, why, f"Bill {most}, or correct the units.")


def _threshold(visit: Visit, charged: Decimal) -> Iterator[Scrubbed]:
    """KX above the year's threshold. Charges bound what Medicare allowed, so below it there is nothing to say."""
    if visit.service_date is None:
        return
    limit = shipped("therapy_threshold").codes.get(str(visit.service_date.year))
    total = charged + sum((one.amount or ZERO for one in visit.charges), ZERO)
    lacking = [number for number, one in enumerate(visit.charges, 1) if "KX" not in one.modifiers]
    if limit is not None and total > Decimal(limit) and lacking:
        why = f"Charges of the year may have passed the threshold of ${limit}; above it Medicare denies without KX."
        fix = "Compare with what Medicare allowed so far; add KX when the notes show the need."
        yield Scrubbed("threshold-kx", lacking[0], why, fix, "warning")


def _authorization() -> Iterator[Scrubbed]:
    why = "The payer wants an authorization, and none covers the day."
    yield Scrubbed("authorization-missing", None, why, "Ask for one, also after the fact, or enter its number.")
