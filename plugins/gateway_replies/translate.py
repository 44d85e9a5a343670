"""What answers mean: which consents they give or take, and what the front desk must do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.model.communication import Communication
from gateway.model.exchange import Derived
from gateway.model.identity import RecordId

OPTED_OUT = "opted-out"
"""The failure of a message to somebody whom the carrier knows to have said STOP."""
_TITLES = {
    "confirm": "Mark the visit as confirmed: the patient answered the reminder.",
    "cancel": "Cancel the visit: the patient asked for it in answer to the reminder.",
    "reschedule": "Call the patient to find another time: they asked for it in answer to the reminder.",
    "other": "Read what the patient wrote and answer it.",
}


class Said(NamedTuple):
    """One communication with its id and its time."""

    id: RecordId
    at: datetime
    record: Communication


def consents(said: Sequence[Said], patients: Sequence[RecordId], way: str) -> Iterator[Derived]:
    """The last word of each channel, for every patient it was said for; ``way`` keeps the ids of two ways apart."""
    last: dict[str, tuple[str, Said]] = {}
    for one in said:
        word = _word(one.record)
        if word in ("stop", "start"):
            last[one.record.channel] = (word, one)
    for channel, (word, one) in sorted(last.items()):
        gone = word == "stop"
        for patient in patients:
            fields: dict[str, Any] = {
                "channel": channel, "status": "revoked" if gone else "granted", "patient": patient,
                "evidence": f"Communication {one.id}", "revoked_at" if gone else "granted_at": one.at,
            }  # fmt: skip
            yield Derived(type="Consent", native_id=f"{patient}/{channel}/{way}", fields=fields, patient=patient)


def _word(one: Communication) -> str | None:
    if one.direction == "inbound":
        return one.answer
    return "stop" if one.failure == OPTED_OUT else None


def tasks(said: Sequence[Said], patients: Sequence[RecordId], within: timedelta) -> Iterator[Derived]:
    """What to do about the last answer to each message, and about each text that is none."""
    made: dict[str, Derived] = {}
    for one in said:
        answer = one.record.answer
        if one.record.direction != "inbound" or answer not in _TITLES:
            continue
        asked = _asked(said, one, within)
        if answer == "other" or asked is None:
            patient = (asked.record.patient if asked else None) or (patients[0] if len(patients) == 1 else None)
            made[one.id] = _task("other", one, f"Communication {one.id}", patient, {"about": one.id})
        else:
            about = asked.record.about
            key = f"{about}/{asked.record.channel}"
            made[key] = _task(answer, one, key, asked.record.patient, {"about": about})
    yield from made.values()


def _asked(said: Sequence[Said], answer: Said, within: timedelta) -> Said | None:
    """The last message about a visit before an answer."""
    earlier = (
        one
        for one in reversed(said)
        if one.record.direction == "outbound" and one.record.about and one.record.status != "failed"
    )
    return next((one for one in earlier if timedelta(0) <= answer.at - one.at <= within), None)


def _task(answer: str, one: Said, key: str, patient: RecordId | None, more: Mapping[str, Any]) -> Derived:
    fields: dict[str, Any] = {
        "title": _TITLES[answer], "state": "open", "kind": f"reply-{answer}", "role": "front-desk",
        "created_at": one.at, **more,
    }  # fmt: skip
    if patient is not None:
        fields["patient"] = patient
    return Derived(type="Task", native_id=f"reply/{key}", fields=fields, patient=patient)
