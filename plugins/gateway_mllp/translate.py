"""Deliveries to the content of HL7 messages, and acknowledgements to outcomes; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gateway.errors import RejectMessage
from gateway.model.exchange import Ambiguous, Delivered, Delivery, Outcome, Rejected, Retry
from gateway.wire.hl7 import Message, escape
from gateway.wire.hl7_path import compile_path
from gateway_mllp.config import MllpConfig

_SEX = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_USE = {"home": "PRN", "work": "WPN", "mobile": "PRN"}
"""HL7 table 0201; a mobile is told by its equipment (CP), for the table of version 2.5.1 has no use of that name."""
_STATUS = {
    "booked": "Booked", "confirmed": "Booked", "arrived": "Started", "completed": "Complete",
    "cancelled": "Cancelled", "no-show": "Noshow",
}  # fmt: skip
_SCHEDULE = {"cancelled": "S15", "no-show": "S26"}
_CONTENT_FAULTS = frozenset({"100", "101", "102", "103", "200", "201", "202", "203", "204", "205"})
"""HL7 table 0357: faults of the message that no later attempt mends; 206, 207 and others are the receiver's own."""
_WORD = re.compile(r"[A-Za-z0-9.-]{1,40}")
_ACK, _ECHO, _OWN, _CODE, _OLD_CODE = map(compile_path, ("MSA-1", "MSA-2", "MSH-10", "ERR-3.1", "MSA-6.1"))


class Place(NamedTuple):
    """One segment of a message: the groups it stands in, its name, and its fields by number."""

    groups: tuple[str, ...]
    name: str
    fields: dict[int, str]


class Content(NamedTuple):
    """A message before it is built."""

    structure: str
    event: str
    places: tuple[Place, ...]


def control_id(delivery: Delivery) -> str:
    """MSH-10: twenty letters, the same for every attempt at the same effect."""
    return hashlib.sha256(delivery.key.encode()).hexdigest()[:20]


def content(delivery: Delivery, config: MllpConfig) -> Content | None:
    """What the message says, or None for a record that no message here can tell."""
    write = _WRITERS.get(delivery.type)
    if write is None:
        return None
    fields = msgspec.json.decode(delivery.body)
    event, structure, places = write(delivery, fields, config)
    header = {
        3: config.sending_application, 4: config.sending_facility, 5: config.receiving_application,
        6: config.receiving_facility, 7: _ts(delivery.at), 9: f"{event}^{structure}", 10: control_id(delivery),
        11: config.processing_id, 12: "2.5.1", 18: "UNICODE UTF-8",
    }  # fmt: skip
    if config.enhanced:
        header |= {15: "AL", 16: "NE"}
    return Content(structure, event, (Place((), "MSH", header), *places))


def outcome(answer: bytes, wanted: str) -> Outcome | None:
    """What an acknowledgement means; None when it is not the answer to message ``wanted``.

    AA and CA are evidence. AE and CE find fault with the content. AR and CR do so for faults of the header or of what
    the receiver supports, and else mean that it cannot take the message now.
    """
    try:
        message = Message(answer)
        code, echo = _ACK(message), _ECHO(message)
    except RejectMessage:
        return None
    if echo != wanted:
        return None
    condition = _word(_CODE(message) or _OLD_CODE(message))
    if code in {"AA", "CA"}:
        return Delivered(f"{code} {_word(_OWN(message))}".strip())
    if code in {"AE", "CE"} or (code in {"AR", "CR"} and condition in _CONTENT_FAULTS):
        return Rejected(f"{code} {condition}".strip())
    if code in {"AR", "CR"}:
        return Retry(f"{code} {condition}".strip())
    return Ambiguous("unknown-acknowledgement")


def _word(value: object) -> str:
    """A code of an acknowledgement, kept only where it is a plain word: receivers write text anywhere."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


# --- records to segments -------------------------------------------------------------------------------------------

Written = tuple[str, str, tuple[Place, ...]]


def _patient(delivery: Delivery, fields: Mapping[str, Any], config: MllpConfig) -> Written:
    del config
    event = {"created": "A28", "removed": "A29", "merged": "A40"}.get(delivery.change, "A31")
    evn = Place((), "EVN", {2: _ts(delivery.at)})
    pid = _pid(delivery.record_id, fields)
    if event == "A40":
        stays = Place(("ADT_A39_PATIENT",), "PID", {3: _id(fields.get("merged_into")), 5: "^^^^^^U"})
        prior = Place(("ADT_A39_PATIENT",), "MRG", {1: _id(delivery.record_id)})
        return "ADT^A40", "ADT_A39", (evn, stays, prior)
    structure = "ADT_A21" if event == "A29" else "ADT_A05"
    return f"ADT^{event}", structure, (evn, Place((), "PID", pid), Place((), "PV1", {2: "N"}))


def _pid(record_id: str, fields: Mapping[str, Any]) -> dict[int, str]:
    name = fields.get("name") or {}
    identifiers = [_id(record_id)] + [
        _join(one.get("value"), "", "", one.get("authority"), one.get("type")) for one in fields.get("identifiers", ())
    ]
    addresses = [
        _join(*(one.get("lines") or [""])[:1], " ".join((one.get("lines") or [])[1:]), one.get("city"),
              one.get("state"), one.get("postal_code"), one.get("country"))
        for one in fields.get("addresses", ())
    ]  # fmt: skip
    return {
        3: "~".join(identifiers),
        5: _join(*(name.get(part) for part in ("family", "given", "middle", "suffix", "prefix")), "", "L")
        if name.get("family")
        else "^^^^^^U",
        7: _day(fields.get("birth_date")),
        8: _SEX.get(fields.get("sex", ""), ""),
        11: "~".join(addresses),
        13: "~".join(_contact(one) for one in fields.get("contacts", ())),
        15: _text(fields.get("language")),
    }


def _contact(one: Mapping[str, Any]) -> str:
    if one.get("system") == "email":
        return _join("", "NET", "Internet", one.get("value"))
    equipment = {"fax": "FX", "sms": "CP"}.get(one.get("system", ""), "CP" if one.get("use") == "mobile" else "PH")
    return _join(one.get("e164") or one.get("value"), _USE.get(one.get("use", ""), "ORN"), equipment)


def _appointment(delivery: Delivery, fields: Mapping[str, Any], config: MllpConfig) -> Written:
    status = fields.get("status", "")
    event = _SCHEDULE.get(status) or ("S12" if delivery.change == "created" else "S14")
    if delivery.change == "removed":
        event = "S17"
    start, end = _ts(fields.get("start")), _ts(fields.get("end"))
    who = _text(fields.get("practitioner")) or escape(config.sending_application)
    sch = {
        2: escape(delivery.record_id), 6: _join(fields.get("cancel_reason") or event),
        7: _join("", fields.get("reason")), 8: _join("", fields.get("type")), 9: str(fields.get("minutes") or ""),
        10: "min" if fields.get("minutes") else "", 11: f"^^^{start}^{end}", 16: who, 20: who,
        25: "Deleted" if event == "S17" else _STATUS.get(status, ""),
    }  # fmt: skip
    places = [Place((), "SCH", sch)]
    if fields.get("patient"):
        places.append(Place(("SIU_S12_PATIENT",), "PID", {3: _id(fields["patient"]), 5: "^^^^^^U"}))
    places.append(Place(("SIU_S12_RESOURCES",), "RGS", {1: "1"}))
    if fields.get("location"):
        group = ("SIU_S12_RESOURCES", "SIU_S12_LOCATION_RESOURCE")
        places.append(Place(group, "AIL", {1: "1", 3: _join(fields["location"], fields.get("room"))}))
    if fields.get("practitioner"):
        group = ("SIU_S12_RESOURCES", "SIU_S12_PERSONNEL_RESOURCE")
        places.append(Place(group, "AIP", {1: "1", 3: who}))
    return f"SIU^{event}", "SIU_S12", tuple(places)


def _visit(delivery: Delivery, fields: Mapping[str, Any], config: MllpConfig) -> Written:
    del config
    pid = {3: _id(fields.get("patient")), 5: "^^^^^^U"}
    pv1 = {
        2: "O",
        3: _text(fields.get("location")),
        7: _text(fields.get("practitioner")),
        19: escape(delivery.record_id),
    }
    charges = tuple(
        Place((f"DFT_P03_FINANCIAL#{number}",), "FT1", dict(_charge(delivery, fields, one, number)))
        for number, one in enumerate(fields.get("charges", ()), 1)
    )
    diagnoses = (
        Place((), "DG1", {1: str(number), 3: _join(code, "", "I10"), 6: "F"})
        for number, code in enumerate(fields.get("diagnoses", ()), 1)
    )
    evn = Place((), "EVN", {2: _ts(delivery.at)})
    return "DFT^P03", "DFT_P03", (evn, Place((), "PID", pid), Place((), "PV1", pv1), *charges, *diagnoses)


def _charge(
    delivery: Delivery, fields: Mapping[str, Any], one: Mapping[str, Any], number: int
) -> Iterator[tuple[int, str]]:
    code = _join(one["procedure_code"], "", "C4")
    yield from {
        1: str(number), 2: _text(one.get("number")) or f"{control_id(delivery)[:12]}{number}",
        4: _day(one.get("service_date") or fields.get("service_date")) or _ts(delivery.at)[:8],
        6: "CD" if one.get("credit") else "CG", 7: code, 10: _text(one.get("units")), 11: _join(one.get("amount")),
        19: "~".join(_join(diagnosis, "", "I10") for diagnosis in one.get("diagnoses", ())), 25: code,
        26: "~".join(_join(modifier) for modifier in one.get("modifiers", ())),
    }.items()  # fmt: skip


_WRITERS: dict[str, Callable[[Delivery, Mapping[str, Any], MllpConfig], Written]] = {
    "Patient": _patient,
    "Appointment": _appointment,
    "Visit": _visit,
}


def _id(record_id: object) -> str:
    return _join(record_id, "", "", "GATEWAY", "PI")


def _text(value: object) -> str:
    return "" if value is None else escape(str(value))


def _join(*parts: object) -> str:
    return "^".join(map(_text, parts)).rstrip("^")


def _day(value: object) -> str:
    return str(value or "").replace("-", "")


def _ts(value: object) -> str:
    """A time as HL7 writes it, with its offset."""
    if not value:
        return ""
    moment = datetime.fromisoformat(str(value))
    return f"{moment if moment.tzinfo else moment.replace(tzinfo=UTC):%Y%m%d%H%M%S%z}"
