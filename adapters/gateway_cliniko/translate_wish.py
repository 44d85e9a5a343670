"""What a delivery wants of an appointment, and what that means where the clinic has it: one request, or none. Pure."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from gateway.model.communication import Communication
from gateway.model.exchange import Delivered, Delivery, Outcome, Rejected
from gateway_cliniko.config_writeback import Act, WritebackConfig

_ID = re.compile(r"(\d{1,20})(#attendee)?\Z", re.ASCII)
_OTHER = 50
_WORDS = {"sms": "text message", "voice": "call", "email": "e-mail"}
Utc = Annotated[datetime, Meta(tz=True)]


class Task(Struct, frozen=True):
    """What a view must grant of a Task."""

    kind: str
    state: str
    reason: str | None = None


class Wish(NamedTuple):
    """One thing to be so at one appointment."""

    act: Act
    id: str
    """The vendor's id of the individual appointment, or of the attendee of a class."""
    in_class: bool
    text: str
    code: int
    told: tuple[str, ...]
    """Fields of the delivery of which something is written."""


class Seen(Struct, frozen=True):
    """An appointment or a patient's place in a class, as the clinic has it now."""

    starts_at: Utc
    cancelled: bool
    gone: bool
    """Archived or deleted."""
    arrived: bool | None
    notes: str | None
    attendee: str | None = None
    """The vendor's id of the place, where it was asked for."""


class Change(NamedTuple):
    """One request that makes it so."""

    target: str
    body: dict[str, Any]


_read_task = msgspec.json.Decoder(Task).decode
_read_message = msgspec.json.Decoder(Communication).decode
_NOTHING = Delivered("nothing to write", told=())


def wish_of(delivery: Delivery, config: WritebackConfig) -> Wish | Outcome:
    """What a delivery wants, or what becomes of one that wants nothing here."""
    if delivery.change in ("removed", "merged"):
        return _NOTHING
    found = _ID.match(delivery.native_id or "")
    try:
        match delivery.type:
            case "Task":
                asked = _of_task(_read_task(delivery.body), config)
            case "Communication":
                asked = _of_message(_read_message(delivery.body), delivery.record_id, config)
            case _:
                return _NOTHING
    except msgspec.ValidationError:
        return Rejected("view-lacks-fields")
    if asked is None:
        return _NOTHING
    if found is None:
        return Rejected("not-an-id-of-this-system")
    act, text, code, used = asked
    told = tuple(name for name in delivery.fields if name in used or name.endswith("native_id"))
    return Wish(act, found[1], found[2] is not None, text, code, told)


def _of_task(task: Task, config: WritebackConfig) -> tuple[Act, str, int, tuple[str, ...]] | None:
    act = config.acts.get(task.kind)
    if act is None or task.state in ("done", "dismissed"):
        return None
    text = config.notes.get(task.kind, "")
    if act == "note" and not text:
        return None
    code = config.reasons.get(task.reason or "", _OTHER)
    return act, text, code, ("kind", "reason") if act == "cancel" and task.reason else ("kind",)


def _of_message(
    message: Communication, record: str, config: WritebackConfig
) -> tuple[Act, str, int, tuple[str, ...]] | None:
    """A line for each message that left, however often its state changes: the mark at its end is the record's."""
    if not config.note_messages or message.direction != "outbound" or message.status not in ("sent", "delivered"):
        return None
    at = "" if message.sent_at is None else f" {message.sent_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    mark = hashlib.sha256(record.encode()).hexdigest()[:8]
    text = f"Reminder by {_WORDS.get(message.channel, message.channel)}{at} [{mark}]"
    return "note", text, _OTHER, ("channel", "sent_at")


def judge(wish: Wish, seen: Seen, config: WritebackConfig, now: datetime) -> Change | Delivered | Rejected:
    """The request that is left to make, or why there is none: it is so already, or the clinic knows better."""
    if seen.gone:
        return Rejected("appointment-gone")
    match wish.act:
        case "cancel":
            return _cancel(wish, seen, now)
        case "note":
            return _note(wish, seen)
    wanted = wish.act == "arrived"
    if seen.arrived is wanted:
        return _already(wish)
    if seen.cancelled:
        return Rejected("cancelled-there")
    if seen.arrived is not None and not config.overrule:
        return Rejected("clinic-says-otherwise")
    if not wanted and seen.starts_at > now:
        return Rejected("not-begun-yet")
    if seen.attendee is None:
        return Rejected("attendee-not-found")
    return Change(f"/v1/attendees/{seen.attendee}", {"arrived": wanted})


def _cancel(wish: Wish, seen: Seen, now: datetime) -> Change | Delivered | Rejected:
    if seen.cancelled:
        return _already(wish)
    if seen.arrived:
        return Rejected("patient-arrived")
    if seen.starts_at <= now:
        return Rejected("begun-already")
    body: dict[str, Any] = {"cancellation_reason": wish.code, "apply_to_repeats": False}
    return Change(f"{_path(wish)}/cancel", body | ({"cancellation_note": wish.text} if wish.text else {}))


def _note(wish: Wish, seen: Seen) -> Change | Delivered:
    """The line behind what stands there; the API has no way to add without sending all of it."""
    lines = (seen.notes or "").splitlines()
    mark = wish.text.rpartition(" ")[2] if wish.text.endswith("]") else wish.text
    if any(line.rstrip().endswith(mark) for line in lines):
        return _already(wish)
    return Change(_path(wish), {"notes": "\n".join((*lines, wish.text))})


def _path(wish: Wish) -> str:
    table: Literal["attendees", "individual_appointments"] = "attendees" if wish.in_class else "individual_appointments"
    return f"/v1/{table}/{wish.id}"


def _already(wish: Wish) -> Delivered:
    """Nothing was written; that we asked after this appointment is all that was told."""
    return Delivered(f"{wish.act}: so already", told=tuple(name for name in wish.told if name.endswith("native_id")))
