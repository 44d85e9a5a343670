"""The rules: what makes two patients one person, and what only makes them look alike. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from gateway.model.identity import RecordId
from gateway.model.patient import Patient
from gateway.model.person import PersonDecision

if TYPE_CHECKING:
    from gateway_persons.config import PersonsConfig

_DIGITS = re.compile(r"\D")
_PHONE_DIGITS = 10
"""By its last ten digits a North American number is the same with and without its country code."""


class Known(Struct, frozen=True, kw_only=True):
    """A patient as the rules see one: normalized, and nothing else."""

    record_id: RecordId
    born: str | None
    name: str
    contacts: frozenset[str]
    numbers: frozenset[str]
    rule: str | None = None
    """The exact rule that linked it; None where a person did."""


class Pair(Struct, frozen=True):
    """Two patients whom a person must look at."""

    first: RecordId
    second: RecordId
    why: str


class Decisions(Struct, frozen=True):
    """What people decided of one group, the last word of each pair."""

    same: tuple[frozenset[str], ...]
    different: frozenset[frozenset[str]]
    moved: frozenset[str]
    """Patients that were linked by hand to somebody of an earlier group."""
    by: dict[frozenset[str], tuple[str, str]]
    """Who decided that a pair is one, and when."""
    own: frozenset[str]
    """Patients that belonged to this group when a decision named them."""


def known(record_id: RecordId, source: str, patient: Patient, settings: PersonsConfig) -> Known:
    """Normalize one patient."""
    born = patient.birth_date
    name = patient.name
    parts = (_letters(name.family), _letters(name.given)) if name is not None else ("", "")
    return Known(
        record_id=record_id,
        born=None if born is None or born in settings.filler_birth_dates else born.isoformat(),
        name="|".join(parts) if all(parts) else "",
        contacts=frozenset(_contacts(patient)),
        numbers=frozenset(
            f"{one.authority or source}|{one.value.strip().casefold()}"
            for one in patient.identifiers
            if one.type in settings.record_number_types and one.value.strip()
        ),
    )


def _letters(text: str | None) -> str:
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return "".join(char for char in plain if char.isalpha())


def _contacts(patient: Patient) -> Iterator[str]:
    for one in patient.contacts:
        if one.system == "email" and "@" in one.value:
            yield f"email:{one.value.strip().casefold()}"
        elif one.system in ("phone", "sms"):
            digits = _DIGITS.sub("", one.e164 or one.value)[-_PHONE_DIGITS:]
            if len(digits) == _PHONE_DIGITS:
                yield f"phone:{digits}"


def place(record_id: RecordId, born: str | None) -> str:
    """The group in which a patient is looked at; one without a birth date has a group of its own."""
    return f"born:{born}" if born else f"single:{record_id}"


def places(decision: PersonDecision, settings: PersonsConfig) -> dict[RecordId, str]:
    """The groups of the two patients of a decision, as they were then."""
    both = ((decision.first, decision.first_born), (decision.second, decision.second_born))
    known_days = {
        id: None if day is None or day in settings.filler_birth_dates else day.isoformat() for id, day in both
    }
    return {id: place(id, day) for id, day in known_days.items()}


def decided(said: Sequence[tuple[str, PersonDecision]], key: str, settings: PersonsConfig) -> Decisions:
    """The last word of each pair; who is linked to somebody of an earlier group is left to that group."""
    last: dict[frozenset[str], PersonDecision] = {}
    for _, one in sorted(said, key=lambda each: (each[1].decided_at, each[0])):
        last[frozenset((one.first, one.second))] = one
    same = [pair for pair, one in last.items() if one.verdict == "same"]
    moved, own = set(), set()
    for one in last.values():
        where = places(one, settings)
        mine = {id for id, group in where.items() if group == key}
        own |= mine
        if one.verdict == "same" and min(where.values()) < key:
            moved |= mine
    return Decisions(
        same=tuple(sorted(same, key=sorted)),
        different=frozenset(pair for pair, one in last.items() if one.verdict == "different"),
        moved=frozenset(moved),
        by={pair: (last[pair].decided_by, last[pair].decided_at.isoformat()) for pair in same},
        own=frozenset(own),
    )


def linked(patients: Sequence[Known], decisions: Decisions) -> tuple[list[list[Known]], list[Pair]]:
    """Groups of patients that are one person, and pairs that rules would link against somebody's decision."""
    here = {one.record_id: one for one in patients if one.record_id not in decisions.moved}
    for pair in decisions.same:  # somebody of a later group whom a person linked to one of ours
        if pair & here.keys() and not pair & decisions.moved:
            for other in pair - here.keys():
                here[RecordId(other)] = _stranger(RecordId(other))
    group: dict[str, set[str]] = {id: {id} for id in here}
    rules: dict[str, str] = {}
    held: list[Pair] = []
    for first, second, rule in (*_by_hand(decisions, here), *_exact(list(here.values()))):
        if group[first] is group[second]:
            continue
        together = group[first] | group[second]
        if any(pair <= together for pair in decisions.different):
            held.append(Pair(RecordId(first), RecordId(second), "rejected-chain"))
            continue
        for id in together:
            group[id] = together
        if rule:
            rules.setdefault(first, rule)
            rules.setdefault(second, rule)
    distinct = {min(members): members for members in group.values()}
    people = [
        [structs.replace(here[RecordId(one)], rule=rules.get(one)) for one in sorted(members)]
        for members in distinct.values()
    ]
    direct = [pair for pair in held if frozenset((pair.first, pair.second)) not in decisions.different]
    return sorted(people, key=lambda members: members[0].record_id), direct


def _stranger(record_id: RecordId) -> Known:
    return Known(record_id=record_id, born=None, name="", contacts=frozenset(), numbers=frozenset())


def _by_hand(decisions: Decisions, here: dict[RecordId, Known]) -> Iterator[tuple[str, str, str]]:
    for pair in decisions.same:
        if pair <= here.keys():
            first, second = sorted(pair)
            yield first, second, ""


def _exact(patients: Sequence[Known]) -> Iterator[tuple[str, str, str]]:
    """Pairs of one birth date that share a record number, or a name and a way to reach them."""
    born = [one for one in patients if one.born is not None]
    for number in _sharing(born, lambda one: one.numbers):
        for first, second in pairwise(number):
            yield first.record_id, second.record_id, "record-number"
    for reached in _sharing(born, lambda one: frozenset(f"{one.name} {way}" for way in one.contacts if one.name)):
        for first, second in pairwise(reached):
            yield first.record_id, second.record_id, "name-birth-date-contact"


def near(patients: Sequence[Known], groups: Sequence[Sequence[Known]], decisions: Decisions) -> list[Pair]:
    """Pairs that look alike, are not one person, and were not decided."""
    person = {one.record_id: at for at, group in enumerate(groups) for one in group}
    born = [one for one in patients if one.born is not None and one.record_id in person]
    alike: dict[frozenset[str], Pair] = {}
    for why, sharing in (
        ("same-name", _sharing(born, lambda one: frozenset({one.name} - {""}))),
        ("same-contact", _sharing(born, lambda one: one.contacts)),
    ):
        for group in sharing:
            for first, second in combinations(group, 2):
                pair = frozenset((first.record_id, second.record_id))
                apart = person[first.record_id] != person[second.record_id]
                if apart and pair not in decisions.different and pair not in alike:
                    alike[pair] = Pair(first.record_id, second.record_id, why)
    return list(alike.values())


def conflicts(patients: Sequence[Known], decisions: Decisions) -> list[Pair]:
    """Decisions about a patient who was born on this day when it was taken, and is not any more."""
    here = {one.record_id for one in patients}
    return [
        Pair(*map(RecordId, sorted(pair)), "undecided")  # type: ignore[call-arg]  # a pair has two members
        for pair in decisions.same
        if pair & decisions.own - here
    ]


def numbers(patients: Sequence[Known]) -> list[Pair]:
    """Patients of one record number whose birth dates differ, or are not all known."""
    return [
        Pair(first.record_id, second.record_id, "number-conflict")
        for first, second in combinations(patients, 2)
        if first.born != second.born or first.born is None
    ]


def _sharing(patients: Sequence[Known], keys: Callable[[Known], frozenset[str]]) -> list[list[Known]]:
    """Patients that have a key in common, for each such key."""
    by_key: dict[str, list[Known]] = defaultdict(list)
    for one in patients:
        for key in keys(one):
            by_key[key].append(one)
    return [found for _, found in sorted(by_key.items()) if len(found) > 1]
