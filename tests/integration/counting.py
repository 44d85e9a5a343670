"""A small reactor: one task per patient that counts the visits booked, and reminds of it when an hour has passed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel

from gateway.hookspecs import Reactor, hookimpl
from gateway.model.appointment import Appointment
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot


class Config(BaseModel):
    """What the tests change."""

    word: str = "visits"
    hours: int = 0
    """How long after an appointment's start the task becomes overdue; 0 never asks for a time."""
    split: bool = False
    """Whether each appointment is a group of its own."""


class Counting:
    """Counts appointments by patient."""

    info = ReactorInfo(
        name="counting", version="1", api=1, summary="Counts visits.", reads=frozenset({"Appointment"}),
        writes=frozenset({"Task"}),
    )  # fmt: skip
    config = Config

    def __init__(self) -> None:
        self.derived: list[tuple[str, int, datetime]] = []
        self.fails = ""

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The patient, or the appointment."""
        assert isinstance(snapshot.record, Appointment)
        assert isinstance(config, Config)
        if self.fails == "groups":
            raise ZeroDivisionError
        if snapshot.patient is None:
            return ()
        return (snapshot.record_id,) if config.split else (snapshot.patient,)

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """One task while anything is booked."""
        assert isinstance(config, Config)
        if self.fails == "derive":
            raise ZeroDivisionError
        self.derived.append((key, len(members), now))
        booked = [
            one
            for one in members
            if isinstance(one.record, Appointment) and one.record.status == "booked" and not one.removed
        ]
        if not booked:
            return Derivation()
        last = max(one.record.start for one in booked if isinstance(one.record, Appointment))
        due = last + timedelta(hours=config.hours)
        late = bool(config.hours) and now >= due
        task = Derived(
            type="Invoice" if self.fails == "type" else "Task", native_id=f"count-{key}", patient=booked[0].patient,
            fields={
                "title": f"{len(booked)} {config.word}", "state": "done" if late else "open",
                "patient": members[0].patient,
                "about": booked[0].record_id, "created_at": last, **({"reason": "late"} if late else {}),
            },
        )  # fmt: skip
        return Derivation(records=(task,), again=due if config.hours and not late else None)


@hookimpl
def gateway_reactors() -> Sequence[Reactor]:
    """The reactor, as a plugin offers it."""
    return (Counting(),)
