"""Eligibility answers (271): which figures hold for therapy, out of benefits in any order and spelling.

One Benefit tells of the policy as a whole (native id: the patient), and one more for each kind of service and network
that a therapy clinic bills (native id: patient, service type, network), so that the next answer replaces it. A figure
said of the service itself counts before one said of the whole plan (service type 30 or none), one for the person
(EB02 IND) before one for the family, one for the clinic's place of service (III ZZ 11) before one for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct

from gateway.model.patch import Patch
from gateway.wire.x12_835 import Elements, amount, element, quantity
from gateway_x12.records_level import Message
from gateway_x12.translate_rejection import rejection

SERVICES = ("PT", "AE", "AD", "AF", "A9", "AC", "98")
"""Service types a therapy clinic bills, or that payers answer with in their place: physical therapy, physical medicine,
occupational therapy, speech therapy, rehabilitation, outpatient rehabilitation, office visit."""
_PLAN = frozenset({"", "30"})
_ACTIVE, _INACTIVE = frozenset("12345"), frozenset("678")
_REMAINING = frozenset({"29", "33"})
_VISITS = frozenset({"VS", "P6"})
_USED = "99"
_OFFICE = frozenset({"11", ""})
_PERSON = {"IND": 0, "EMP": 0, "CHD": 0, "DEP": 0, "SPO": 0, "": 1}
_MOST_NOTES = 50


class _Said(Struct):
    """One EB and what refines it."""

    eb: Elements
    services: frozenset[str]
    visits: Elements
    """The HSD behind it that counts visits; empty when there is none."""
    place: str
    """Place of service code of an III behind it."""
    notes: list[str]
    names: list[str]
    """NM103 of the entities named behind it (loop 2120)."""

    def rank(self) -> tuple[int, int]:
        """What counts first where two say the same thing."""
        return _PERSON.get(element(self.eb, 2), 2), 0 if self.place in _OFFICE else 1


def add_benefits(read: Message, patch: Patch, left: set[str]) -> list[Patch]:
    """Complete the Benefit of the whole policy; return one for each service type and network that was answered."""
    said = _said(read, left)
    rejected = rejection([*read.above.rejections, *(one for one in read.body if one[0] == "AAA")])
    patch.fields.update(_figures([one for one in said if one.services & _PLAN or not one.services], network=""))
    patch.fields.update(rejected)
    if others := tuple(name for one in said if element(one.eb, 1) == "R" for name in one.names):
        patch.fields["other_payers"] = others
    loose = [note for one in said for note in one.notes]
    if loose:
        patch.fields["notes"] = tuple(dict.fromkeys(loose))[:_MOST_NOTES]
    return list(_by_service(said, patch))


def _by_service(said: list[_Said], whole: Patch) -> Iterable[Patch]:
    kept = ("coverage", "patient", "trace_number", "answered_at", "group_number")
    base = {name: whole.fields[name] for name in kept if name in whole.fields}
    plan = [one for one in said if not one.services or one.services & _PLAN]
    for service in SERVICES:
        own = [one for one in said if service in one.services]
        if not own:
            continue
        outside = any(element(one.eb, 12) == "N" for one in own)
        for network, suffix in (("Y", "in"), ("N", "out")):
            if network == "N" and not outside:
                continue
            fields = base | _figures(plan, network) | _figures(own, network)
            fields |= {"service_type": service, "in_network": network == "Y", "rejection": None}
            notes = tuple(dict.fromkeys(note for one in own for note in one.notes if _in(one, network)))
            if notes:
                fields["notes"] = notes[:_MOST_NOTES]
            yield Patch(
                type=whole.type,
                native_id=f"{whole.native_id}/{service}/{suffix}",
                fields=fields,
                patient=whole.patient,
                source_version=whole.source_version,
            )


def _said(read: Message, left: set[str]) -> list[_Said]:
    """The benefits of a message, each with the segments that refine it."""
    repetition = read.above.repetition
    said: list[_Said] = []
    for elements in read.body:
        id = elements[0]
        if id == "EB":
            services = element(elements, 3)
            named = services.split(repetition) if repetition and repetition in services else [services]
            said.append(_Said(elements, frozenset(one for one in named if one), [], "", [], []))
        elif (not said or not _refined(said[-1], elements)) and id not in {"AAA", "LS", "LE", "SE"}:
            left.add(f"{id}[{element(elements, 1)}]" if id in {"REF", "DTP", "NM1"} else id)
    return said


def _refined(one: _Said, elements: Elements) -> bool:
    """Add what a segment behind an EB says of it; False when it is not read."""
    id = elements[0]
    if id == "HSD":
        if element(elements, 1) == "VS" and not one.visits:
            one.visits = elements
    elif id == "III":
        one.place = element(elements, 2) if element(elements, 1) == "ZZ" else one.place
    elif id == "MSG":
        if element(elements, 1):
            one.notes.append(elements[1])
    elif id == "NM1":
        if element(elements, 3):
            one.names.append(elements[3])
    else:
        return False
    return True


def _in(one: _Said, network: str) -> bool:
    """Whether a benefit holds in the network asked about; W and an empty element hold in both."""
    said = element(one.eb, 12)
    return not network or said in {network, "W", "", "U"}


def _figures(said: list[_Said], network: str) -> dict[str, Any]:
    """The figures of the benefits that hold in a network."""
    found: dict[str, Any] = {}
    for one in sorted((one for one in said if _in(one, network)), key=_Said.rank):
        for name, value in _figure(one):
            found.setdefault(name, value)
    limit, used, rest = (found.get(name) for name in ("visit_limit", "visits_used", "visits_left"))
    if limit is not None and used is None and rest is not None:
        found["visits_used"] = limit - rest
    elif limit is not None and used is not None and rest is None:
        found["visits_left"] = limit - used
    return found


def _figure(one: _Said) -> Iterable[tuple[str, Any]]:
    """What one EB says, by name of the field."""
    eb = one.eb
    code, rest = element(eb, 1), element(eb, 6) in _REMAINING
    if code in _ACTIVE or code in _INACTIVE:
        yield "active", code in _ACTIVE
        if element(eb, 5):
            yield "plan_name", eb[5]
    if element(eb, 11) in {"Y", "N"}:
        yield "authorization_required", eb[11] == "Y"
    if code == "B" and element(eb, 7):
        yield "copay", amount(eb, 7)
    elif code == "A" and element(eb, 8):
        yield "coinsurance", _fraction(quantity(eb, 8))
    elif code == "C" and element(eb, 7):
        yield "deductible_left" if rest else "deductible", amount(eb, 7)
    elif code == "G" and element(eb, 7):
        yield "out_of_pocket_left" if rest else "out_of_pocket", amount(eb, 7)
    elif code == "F":
        yield from _visits(one, rest=rest)


def _visits(one: _Said, *, rest: bool) -> Iterable[tuple[str, int]]:
    """Visits of a limitation, from the EB itself or from the HSD behind it."""
    counted, number = element(one.eb, 9), element(one.eb, 10)
    if counted == _USED and number:
        yield "visits_used", int(quantity(one.eb, 10))
    elif counted in _VISITS and number:
        yield "visits_left" if rest else "visit_limit", int(quantity(one.eb, 10))
    elif one.visits and element(one.visits, 2):
        rest = rest or element(one.visits, 5) in _REMAINING
        yield "visits_left" if rest else "visit_limit", int(quantity(one.visits, 2))


def _fraction(share: Decimal) -> Decimal:
    """The patient's share; some payers write 20 where the guide has 0.2."""
    return share / 100 if share > 1 else share
