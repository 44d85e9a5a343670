"""One group for each patient, derived with those of the same person; each pair belongs to its first patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.identity import RecordId
from gateway.model.person import Person
from gateway_duplicates.config import DuplicatesConfig
from gateway_duplicates.translate import WORDS, Known, compared, known, over, same


class Duplicates:
    """Derives a Task for each pair of records that are one thing of one person."""

    info = ReactorInfo(
        name="duplicates",
        version="1",
        api=API_VERSION,
        summary="Visits, treatments and authorizations that one person has in two systems, flagged and never merged",
        reads=frozenset({"Person", *WORDS}),
        writes=frozenset({"Task"}),
        joins=frozenset({"Person"}),
        docs="docs/how-to/link-persons.md",
    )
    config: type[BaseModel] = DuplicatesConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The patient, or all that are one person."""
        del config
        if isinstance(snapshot.record, Person):
            return tuple(link.patient for link in snapshot.record.links)
        patient = getattr(snapshot.record, "patient", None)
        return (patient,) if patient else ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """A task for each pair whose first record is this patient's."""
        settings = cast("DuplicatesConfig", config)
        people = [one.record for one in members if isinstance(one.record, Person) and not one.removed]
        patients = {link.patient for person in people for link in person.links if link.assurance == "certain"}
        if key not in patients:
            return Derivation()
        things = sorted(one for member in members if (one := known(member)) is not None and one.patient in patients)
        ends = [(end, task) for end, task in _pairs(RecordId(key), things, settings) if end is None or end > now]
        return Derivation(
            records=tuple(task for _, task in ends),
            again=min((end for end, _ in ends if end is not None), default=None),
        )


def _pairs(
    patient: RecordId, things: Sequence[Known], settings: DuplicatesConfig
) -> Iterator[tuple[datetime | None, Derived]]:
    """Each pair with the time at which it is too old to be shown."""
    within = timedelta(minutes=settings.same_visit_minutes)
    mirrored = {frozenset(pair) for pair in settings.mirrored}
    for first, second in compared(things, within):
        if first.patient != patient or second.patient == patient:
            continue
        why = same(first.record, second.record, within)
        if why is not None:
            known_of = frozenset((first.source, second.source)) in mirrored
            ends = [over(one.record, settings.days) for one in (first, second)]
            yield max((end for end in ends if end is not None), default=None), _task(first, second, why, known_of)


def _task(first: Known, second: Known, why: str, mirrored: bool) -> Derived:
    word = WORDS[type(first.record).__name__]
    fields: dict[str, object] = {
        "title": f"Say in which system this {word} belongs; the other record is {second.id}.",
        "reason": why, "kind": f"duplicate-{word}", "state": "dismissed" if mirrored else "open",
        "role": "front-desk", "about": first.id, "patient": first.patient,
    }  # fmt: skip
    return Derived(type="Task", native_id=f"duplicate/{first.id}/{second.id}", fields=fields, patient=first.patient)
