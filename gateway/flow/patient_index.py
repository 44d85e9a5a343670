"""Which values a patient is found by, normalised so that the ways to write one of them are one.

Only values that are too many to guess and too even to count: medical record numbers, telephone numbers, and a name
together with a date of birth. Under a key of the tenant and the kind of value each becomes 16 bytes, which tell nobody
without the key anything but that two are equal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from gateway.audit import AuditLog
from gateway.store import patient_index
from gateway.store.opening import Store
from gateway.vault import Vault

MRN, PHONE, NAME = 1, 2, 3
COLUMNS = {MRN: "patient.mrn", PHONE: "patient.phone", NAME: "patient.name-born"}
RECORD_NUMBERS = frozenset({None, "MR", "MRN", "PI", "PT"})
"""Types of HL7 table 0203 that number a patient's record; not those of insurers and authorities."""
LEAST_DIGITS = 7
NATIONAL_DIGITS = 10
"""Digits of a North American number; a country code before them does not matter."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def plain(text: str) -> str:
    """Letters and digits only, without accents and case."""
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())


def phone(text: str) -> str:
    """The last ten digits; empty when there are too few to mean somebody."""
    digits = "".join(char for char in text if char.isdecimal())
    return digits[-NATIONAL_DIGITS:] if len(digits) >= LEAST_DIGITS else ""


def named(family: str, given: str, born: str) -> str:
    """A name with a date of birth (ISO 8601); ``given`` may be empty."""
    return f"{plain(family)}/{plain(given)}/{born}"


def values(native_id: str, fields: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Every (kind, value) that one patient's record is found by."""
    yield MRN, plain(native_id)
    for identifier in fields.get("identifiers", ()):
        if identifier.get("type") in RECORD_NUMBERS:
            yield MRN, plain(identifier["value"])
    for contact in fields.get("contacts", ()):
        if contact["system"] in {"phone", "sms"}:
            yield PHONE, phone(contact.get("e164") or contact["value"])
    born = fields.get("birth_date")
    if born is None:
        return
    for name in (fields.get("name") or {}, *fields.get("other_names", ())):
        if family := name.get("family"):
            yield NAME, named(family, "", born)
            if given := name.get("given"):
                yield NAME, named(family, given, born)


def index_rows(vault: Vault, tenant: str, record_id: bytes, native_id: str, encoded: bytes) -> list[dict[str, Any]]:
    """Rows of the index for one version of a patient's record."""
    found = {(kind, value) for kind, value in values(native_id, _decode(encoded)) if value.strip("/")}
    return [
        {"tenant": tenant, "kind": kind, "blind": vault.blind(tenant, COLUMNS[kind], value), "record_id": record_id}
        for kind, value in sorted(found)
    ]


class Asked(msgspec.Struct, frozen=True):
    """One question after patients: whose clinic group, who asks, and which kind of value, normalised."""

    tenant: str
    actor: str
    kind: int
    value: str

    def __repr__(self) -> str:
        return f"<Asked {COLUMNS[self.kind]}>"


def search(store: Store, vault: Vault, audit: AuditLog, asked: Asked) -> list[str]:
    """Record ids of the patients with this value, told only once the question is in the audit log."""
    tenant, column = asked.tenant, COLUMNS[asked.kind]
    blind = vault.blind(tenant, column, asked.value)
    ids = store.read_sync(partial(patient_index.find, tenant=tenant, kind=asked.kind, blind=blind))
    found = [str(UUID(bytes=record_id)) for record_id in ids]
    entry = audit.entry(
        tenant, action="search", actor=asked.actor, purpose="operations", patients=found,
        counts={"found": len(found)}, outcome=column,
    )  # fmt: skip
    store.write_sync(lambda connection: audit.append(connection, entry))
    return found
