"""The canonical model: what every source is translated to and every sink reads, one module per aggregate.

:data:`TYPES` names the record types. Every type is a frozen msgspec Struct; a field left at its default is absent in
JSON. :func:`fold` is the one way in which what a message says becomes a record.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.errors import InvalidContent
from gateway.model.account_balance import AccountBalance
from gateway.model.appointment import Appointment
from gateway.model.authorization import Authorization, AuthorizationBalance
from gateway.model.bank import BankTransaction
from gateway.model.charge_item import ChargeItem
from gateway.model.claim import Claim, ClaimDecision, ClaimStatusReport
from gateway.model.claim_progress import ClaimProgress
from gateway.model.communication import Communication
from gateway.model.consent import Consent
from gateway.model.coverage import Benefit, Coverage
from gateway.model.denial import Denial, DenialDecision
from gateway.model.episode import EpisodeOfCare, PlanOfCare
from gateway.model.fee_schedule import FeeSchedule
from gateway.model.invoice import Invoice, PatientPayment
from gateway.model.ledger_entry import LedgerEntry
from gateway.model.location import Location
from gateway.model.organization import Organization, Payer
from gateway.model.patient import Patient
from gateway.model.person import Person, PersonDecision
from gateway.model.practitioner import Practitioner
from gateway.model.referral import Referral
from gateway.model.referral_source import ReferralSource
from gateway.model.reminder import Reminder
from gateway.model.remittance import ClaimPayment, Remittance
from gateway.model.settlement import Settlement
from gateway.model.slot import Slot, Unavailability
from gateway.model.submission import FollowUp, Submission
from gateway.model.task import Task
from gateway.model.values import Refused
from gateway.model.visit import Visit

TYPES: dict[str, type[msgspec.Struct]] = {
    cls.__name__: cls
    for cls in (
        Location,
        Practitioner,
        Patient,
        Person,
        PersonDecision,
        Consent,
        Referral,
        EpisodeOfCare,
        PlanOfCare,
        Coverage,
        Benefit,
        Authorization,
        AuthorizationBalance,
        Appointment,
        Visit,
        ChargeItem,
        Claim,
        ClaimStatusReport,
        ClaimProgress,
        ClaimDecision,
        Remittance,
        ClaimPayment,
        Submission,
        FollowUp,
        Settlement,
        Denial,
        DenialDecision,
        Organization,
        Payer,
        FeeSchedule,
        Invoice,
        PatientPayment,
        AccountBalance,
        BankTransaction,
        Slot,
        Unavailability,
        ReferralSource,
        Communication,
        LedgerEntry,
        Task,
        Reminder,
    )
}
"""Every canonical record type by its name, in the order of the design."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders: dict[str, msgspec.json.Decoder[Any]] = {}
_PLACE = re.compile(r"(?s)(.*) - at `\$([^`]*)`")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_HARMLESS = re.compile(r"Expected `[\w |]+`(, got `\w+`| with a timezone component)")


def encode(record: msgspec.Struct) -> bytes:
    """The record as JSON; equal records of equal offsets give equal bytes."""
    return _encoder.encode(record)


def decode(type_name: str, data: bytes) -> msgspec.Struct:
    """Read what :func:`encode` wrote. Raises ``InvalidContent`` when it is not a valid record of that type."""
    decoder = _decoders.get(type_name)
    if decoder is None:
        decoder = _decoders[type_name] = msgspec.json.Decoder(_type(type_name))
    try:
        record: msgspec.Struct = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(type_name, error) from None
    return record


def fold(type_name: str, stored: dict[str, Any] | None, fields: dict[str, Any]) -> msgspec.Struct:
    """Fold what a message says into what is stored: an absent field stays, None deletes it, a value replaces it whole.

    ``stored`` is the record as plain JSON values or as canonical ones (datetime, date, Decimal), ``fields`` likewise;
    nested structs are dicts. Raises ``InvalidContent`` (reason ``invalid-record``) with the place, never the value.
    """
    merged = {**stored, **fields} if stored else fields
    try:
        return msgspec.convert({name: value for name, value in merged.items() if value is not None}, _type(type_name))
    except msgspec.ValidationError as error:
        raise _invalid(type_name, error) from None


def _type(type_name: str) -> type[msgspec.Struct]:
    try:
        return TYPES[type_name]
    except KeyError:
        raise InvalidContent(
            "invalid-record", "The record type is not a canonical one", fix="Name a type of gateway.model.TYPES."
        ) from None


def _invalid(type_name: str, error: Exception) -> InvalidContent:
    """Say what is wrong and where from a msgspec error, whose own text may quote the value."""
    text = str(error)
    placed = _PLACE.fullmatch(text)
    rule, path = placed.groups() if placed else (text, "")
    cause = error.__cause__
    what = "The value does not fit the type of the field"
    if isinstance(cause, Refused):
        what, path = f"The value is refused: {cause}", f"{path}.{cause.field}"
    elif missing := _MISSING.fullmatch(rule):
        what, path = "A required field is missing", f"{path}.{missing[1]}"
    elif rule.startswith("Object contains unknown field"):
        what = "The object has a field that its type does not know"
    elif _HARMLESS.fullmatch(rule):
        what = rule
    return InvalidContent("invalid-record", what, where=type_name + path)
