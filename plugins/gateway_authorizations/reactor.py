"""One group for each patient: authorizations, and the appointments and visits that are charged to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

import msgspec
from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization, AuthorizationBalance
from gateway.model.exchange import Derivation, Derived, ReactorInfo, Snapshot
from gateway.model.visit import Visit
from gateway_authorizations.config import AuthorizationsConfig
from gateway_authorizations.translate import balance, charged

_GIVEN = frozenset({"approved", "modified", "exhausted", "expired"})


class Authorizations:
    """Derives a balance for every authorization that was given, and a task when it runs out."""

    info = ReactorInfo(
        name="authorizations",
        version="1",
        api=API_VERSION,
        summary="Visits booked, attended and left of every authorization",
        reads=frozenset({"Authorization", "Appointment", "Visit"}),
        writes=frozenset({"AuthorizationBalance", "Task"}),
    )
    config: type[BaseModel] = AuthorizationsConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The patient."""
        del config
        patient = getattr(snapshot.record, "patient", None) or snapshot.patient
        return (f"patient:{patient}",) if patient else ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """The balance of each of the patient's authorizations."""
        del key
        settings = cast("AuthorizationsConfig", config)
        there = sorted((one for one in members if not one.removed), key=lambda one: one.record_id)
        given = {
            one.record_id: one.record
            for one in there
            if isinstance(one.record, Authorization) and one.record.status in _GIVEN
        }
        appointments = {one.record_id: one.record for one in there if isinstance(one.record, Appointment)}
        visits = {one.record_id: one.record for one in there if isinstance(one.record, Visit)}
        uses = charged(given, appointments, visits)
        records: list[Derived] = []
        looks: list[datetime] = []
        for id, authorization in given.items():
            made = balance(id, authorization, uses[id], now.date(), settings.visits_left, settings.days_left)
            fields = {name: value for name, value in msgspec.structs.asdict(made).items() if value is not None}
            records.append(
                Derived(type="AuthorizationBalance", native_id=id, fields=fields, patient=authorization.patient)
            )
            if made.state != "ample":
                records.append(_task(made))
            if authorization.ends_on is not None:
                days = (authorization.ends_on - timedelta(days=before) for before in (-1, settings.days_left))
                looks += [datetime.combine(day, time(6), UTC) for day in days]
        return Derivation(records=tuple(records), again=min((at for at in looks if at > now), default=None))


def _task(made: AuthorizationBalance) -> Derived:
    told = {
        "short": "Ask the payer for more visits before they run out.",
        "exhausted": "Ask the payer for more visits: none is left.",
        "overbooked": "Ask the payer for more visits, or move appointments: more are booked than allowed.",
        "expired": "Ask the payer for a new authorization: the old one has ended and visits are booked.",
    }
    left = "unknown" if made.visits_remaining is None else made.visits_remaining
    fields: dict[str, Any] = {
        "title": told[made.state or "short"], "state": "open", "kind": f"authorization-{made.state}",
        "reason": f"Visits left: {left}, booked: {made.visits_booked}.", "role": "front-desk",
        "about": made.authorization,
    }  # fmt: skip
    if made.patient is not None:
        fields["patient"] = made.patient
    due = made.runs_out_on or made.ends_on
    if due is not None:
        fields["due_on"] = due
    return Derived(type="Task", native_id=f"authorization/{made.authorization}", fields=fields, patient=made.patient)
