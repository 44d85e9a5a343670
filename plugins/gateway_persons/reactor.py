"""Patients born on one day, and what people decided of them: the persons they are, and the pairs a person must see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.patient import Patient
from gateway.model.person import PersonDecision
from gateway_persons.config import PersonsConfig
from gateway_persons.translate import Known, Pair, conflicts, decided, known, linked, near, numbers, place, places

_WHY = {
    "same-name": "Same birth date and name, but no shared number or address",
    "same-contact": "Same birth date and telephone or e-mail, but another name",
    "rejected-chain": "Rules link two patients whom somebody decided to be different",
    "number-conflict": "One medical record number, but different birth dates",
    "undecided": "A decision names a patient whose birth date has changed since",
}


class Persons:
    """Derives a Person for patients that are one, and a Task for each pair that nearly is."""

    info = ReactorInfo(
        name="persons",
        version="1",
        api=API_VERSION,
        summary="Which patients of several systems are one person, by exact rules and by decision",
        reads=frozenset({"Patient", "PersonDecision"}),
        writes=frozenset({"Person", "Task"}),
    )
    config: type[BaseModel] = PersonsConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The birth date and each record number; a patient without either only meets those decided by hand."""
        settings = cast("PersonsConfig", config)
        match snapshot.record:
            case Patient() as patient:
                one = known(snapshot.record_id, snapshot.source, patient, settings)
                return (place(snapshot.record_id, one.born), *(f"number:{number}" for number in sorted(one.numbers)))
            case PersonDecision() as decision:
                return tuple(dict.fromkeys(places(decision, settings).values()))
        return ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: object) -> Derivation:
        """Everyone who is one person, and whom a person must look at."""
        del now
        settings = cast("PersonsConfig", config)
        there = [one for one in members if not one.removed]
        patients = [
            known(one.record_id, one.source, one.record, settings)
            for one in sorted(there, key=lambda one: one.record_id)
            if isinstance(one.record, Patient) and one.record.merged_into is None
        ]
        if key.startswith("number:"):
            return Derivation(records=tuple(_task(pair) for pair in numbers(patients)))
        said = [(one.at, one.record) for one in there if isinstance(one.record, PersonDecision)]
        decisions = decided(said, key, settings)
        groups, held = linked(patients, decisions)
        pairs = [*held, *near(patients, groups, decisions), *conflicts(patients, decisions)]
        people = [_person(group, decisions.by) for group in groups if len(group) > 1]
        return Derivation(records=(*people, *(_task(pair) for pair in pairs)))


def _person(group: Sequence[Known], by: dict[frozenset[str], tuple[str, str]]) -> Derived:
    """The person is named by its first patient, so that one more link leaves it the same person."""
    links: list[dict[str, object]] = []
    for one in group:
        hand = [said for pair, said in sorted(by.items(), key=lambda item: sorted(item[0])) if one.record_id in pair]
        link: dict[str, object] = {"patient": one.record_id, "assurance": "certain", "rule": one.rule or "manual"}
        if hand and one.rule is None:
            link |= {"decided_by": hand[0][0], "decided_at": hand[0][1]}
        links.append(link)
    return Derived(type="Person", native_id=group[0].record_id, fields={"links": links, "active": True})


def _task(pair: Pair) -> Derived:
    first, second = sorted((pair.first, pair.second))
    fields = {
        "title": f"Decide whether two patient records are one person; the other one is {second}.",
        "reason": _WHY[pair.why], "kind": f"person-{pair.why}", "state": "open", "role": "front-desk",
        "about": first, "patient": first,
    }  # fmt: skip
    return Derived(type="Task", native_id=f"person/{pair.why}/{first}/{second}", fields=fields, patient=first)
