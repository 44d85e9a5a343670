"""One group for each patient: visits, consents, what was sent and answered, and what allows the visits.

Groups of patients who are one person are derived together, so that each knows what the others are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.exchange import Derivation, ReactorInfo, Snapshot
from gateway.model.identity import RecordId
from gateway.model.task import Task
from gateway_reminders.config import RemindersConfig
from gateway_reminders.reactor_plan import Planner
from gateway_reminders.reactor_wish import wishes
from gateway_reminders.translate_facts import REPLY, gather, subjects

_GROUP = "patient:"


class Reminders:
    """Derives the reminders of every patient."""

    info = ReactorInfo(
        name="reminders",
        version="2",
        api=API_VERSION,
        summary="Reminders of visits and nudges, by consent, waking hours and caps",
        reads=frozenset(
            {
                "Appointment", "Patient", "Consent", "Communication", "Authorization", "AuthorizationBalance",
                "PlanOfCare", "Task", "Person",
            }
        ),
        writes=frozenset({"Reminder"}),
        joins=frozenset({"Person"}),
    )  # fmt: skip
    config: type[BaseModel] = RemindersConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The patients it is about; of tasks, only answers of patients matter."""
        del config
        if isinstance(snapshot.record, Task) and not (snapshot.record.kind or "").startswith(REPLY):
            return ()
        return tuple(f"{_GROUP}{patient}" for patient in subjects(snapshot))

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """Every reminder of the patient as it stands."""
        facts = gather(RecordId(key.removeprefix(_GROUP)), members, now)
        if facts is None:
            return Derivation()
        settings = cast("RemindersConfig", config)
        planner = Planner(facts, settings, now)
        planner.plan(wishes(facts, settings, now))
        return Derivation(
            records=tuple(planner.records), again=min((at for at in planner.looks if at > now), default=None)
        )
