"""A patient with a visit and consents, as the reactor is shown them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import msgspec

from gateway.model import fold
from gateway.model.appointment import Appointment
from gateway.model.communication import Communication
from gateway.model.consent import Consent
from gateway.model.exchange import Derivation, Snapshot
from gateway.model.patient import Address, ContactPoint, Patient, PersonName
from gateway_reminders.config import RemindersConfig
from gateway_reminders.reactor import Reminders

ZONE = "America/Chicago"
START = datetime(2026, 7, 15, 15, 30, tzinfo=UTC)
"""10:30 on a Wednesday in Chicago."""
CLINIC: dict[str, Any] = {"clinic": {"name": "Northside PT", "phone": "512-555-0100", "zone": ZONE}}


def shown(record: Any, id: str, *, removed: bool = False) -> Snapshot:
    """One record as the core shows it."""
    return Snapshot(
        type=type(record).__name__, record_id=id, source="s", version=1, removed=removed, patient="p",
        at="2026-07-01T12:00:00Z", observed_at="2026-07-01T12:00:00Z", record=record,
    )  # fmt: skip


def patient(**fields: Any) -> Snapshot:
    """The patient, who lives in Illinois."""
    held: dict[str, Any] = {
        "name": PersonName(given="Ann", family="Ng"),
        "contacts": (
            ContactPoint(system="phone", value="(312) 555-0147", use="mobile", e164="+13125550147"),
            ContactPoint(system="email", value="ann@example.com"),
        ),
        "addresses": (Address(state="IL"),),
    }  # fmt: skip
    return shown(Patient(**{**held, **fields}), "p")


def visit(id: str = "a1", start: datetime = START, status: Any = "booked", **fields: Any) -> Snapshot:
    """A booked visit."""
    return shown(Appointment(start=start, status=status, zone=ZONE, patient="p", **fields), id)


def consent(channel: Any = "sms", status: Any = "granted", purpose: Any = "appointment", **fields: Any) -> Snapshot:
    """What the patient agreed to."""
    id = f"c-{channel}-{status}-{purpose}-{len(fields)}"
    return shown(Consent(channel=channel, status=status, purpose=purpose, patient="p", **fields), id)


def sent(occasion: str, at: datetime, status: Any = "sent", **fields: Any) -> Snapshot:
    """A message that went out for an occasion."""
    record = Communication(
        channel=occasion.rpartition("/")[2], direction="outbound", status=status, patient="p", occasion=occasion,
        sent_at=at, **fields,
    )  # fmt: skip
    return shown(record, f"m-{occasion}")


def derived(*members: Snapshot, now: datetime, **config: Any) -> Derivation:
    """What follows, the same in any order of members, and readable as canonical records."""
    settings = RemindersConfig.model_validate(CLINIC | config)
    found = Reminders().derive("patient:p", members, settings, now)
    for order in list(permutations(members))[1:4]:
        assert Reminders().derive("patient:p", order, settings, now) == found
    for one in found.records:
        fold(one.type, None, msgspec.json.decode(msgspec.json.encode(one.fields)))
    assert len({one.native_id for one in found.records}) == len(found.records)
    assert found.again is None or found.again > now
    return found


def states(*members: Snapshot, now: datetime, **config: Any) -> dict[str, tuple[str, str | None]]:
    """State and reason by step."""
    found = derived(*members, now=now, **config)
    return {one.fields["step"]: (one.fields["state"], one.fields.get("held_because")) for one in found.records}


def the(step: str, *members: Snapshot, now: datetime, **config: Any) -> dict[str, Any]:
    """The fields of one step's reminder."""
    (found,) = (one.fields for one in derived(*members, now=now, **config).records if one.fields["step"] == step)
    return dict(found)
