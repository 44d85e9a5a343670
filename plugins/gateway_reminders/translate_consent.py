"""What a patient agreed to, and where they can be reached. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from gateway.model.consent import Consent
from gateway.model.identity import RecordId
from gateway.model.patient import Patient

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_ADDRESS = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]{1,190}")


def agreed(
    consents: Mapping[RecordId, Consent], channel: str, purpose: str, now: datetime
) -> tuple[RecordId | None, datetime | None]:
    """The consent that allows a channel for a purpose, and when that ends by itself.

    A withdrawal counts until a consent is given after it: what another system still believes does not undo a STOP.
    """
    mine = {
        id: one for id, one in sorted(consents.items()) if one.channel == channel and one.purpose in (None, purpose)
    }
    given = {
        id: one
        for id, one in mine.items()
        if one.status == "granted" and (one.expires_at is None or one.expires_at > now)
    }
    for one in mine.values():
        if one.status == "revoked":
            since = one.revoked_at
            given = {id: held for id, held in given.items() if since and held.granted_at and held.granted_at > since}
    named = {id: one for id, one in given.items() if one.purpose == purpose}
    if not named:
        return None, None
    id, found = next(iter(named.items()))
    return id, found.expires_at


def reach(patient: Patient, channel: str) -> str | None:
    """Number or address for a channel: a mobile before a number of unknown kind; never a fax or a work number."""
    if channel == "email":
        found = (one.value for one in patient.contacts if one.system == "email" and _ADDRESS.fullmatch(one.value))
        return next(found, None)
    systems = ("sms", "phone")
    numbers = [one for one in patient.contacts if one.system in systems and one.use not in ("work", "other")]
    if channel == "sms":
        numbers = [one for one in numbers if one.system == "sms" or one.use in ("mobile", None)]
    numbers.sort(key=lambda one: (one.use != "mobile", one.system != "sms"))
    plain = ((one.e164 or re.sub(r"[ ().-]", "", one.value)) for one in numbers)
    return next((number for number in plain if _E164.fullmatch(number)), None)
