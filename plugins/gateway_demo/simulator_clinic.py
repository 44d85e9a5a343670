"""The clinic that treats: an EHR with FHIR, whose patients are insured, treated, asked about and reminded.

Its directory is there from the beginning and its patients come later, because a claim is built only once payer,
clinic and therapist are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_fhir.simulator import FhirSimulator
from gateway_fhir.simulator_clinic import utc

PATIENTS = 16
ASKED = 8
"""Patients for whom an authorization is requested."""
PHONES = {"r1": "+13125550141", "r2": "+13125550142", "r3": "+13125550143"}
"""Patients who agreed to texts: one will say STOP, one confirms, one visit will be cancelled."""
DIRECTORY = ("Organization", "Location", "Practitioner")
DIRECTORY_SIZE = 2 + 1 + 1 + 2
"""Two organizations, of which one is a payer too, one location and two therapists."""
DAYS_AGO = 6
APART_SECONDS = 3
"""Longer than the overlap with which the gateway searches."""
_LATER = ("Patient", "Coverage", "Consent", "Appointment", "Encounter", "Claim")
_CHARGE = "https://example.org/fhir/charge"
_DONE = (("97110", 2, 30, "120.00"), ("97112", 1, 15, "70.00"), ("97140", 1, 15, "60.00"))
"""Procedure, units, minutes and charge: 60 minutes of treatment."""

Row = dict[str, Any]


class Eastside(FhirSimulator):
    """The EHR of one clinic."""

    def __init__(self) -> None:
        super().__init__(synthetic_clinic(5, places=1, therapists=2, patients=PATIENTS, visits=1))
        self._insured = [*self.tables["Patient"].values(), *self.tables["Coverage"].values()]
        kept = {name: self.tables[name] for name in DIRECTORY}
        self.tables.clear()  # emptied, not another: search and exports look into this one
        self.tables.update(kept, **{name: {} for name in _LATER})
        payer = {"system": "urn:oid:2.16.840.1.113883.6.300", "value": "SHP01"}
        self.touch("Organization", "payer", identifier=[payer])
        ids = [
            {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"},
            {"system": "urn:oid:2.16.840.1.113883.4.4", "value": "12-3456789"},
        ]
        address = next(iter(self.tables["Location"].values()))["address"]
        self.touch("Organization", "clinic", identifier=ids, address=[address])

    def enrol(self) -> None:
        """Patients with their policies, last week's visits, tomorrow's bookings and requests for authorizations."""
        now = datetime.now(UTC)
        rows: list[Row] = []
        for row in self._insured:
            if row["resourceType"] == "Coverage":
                row["period"] = {"start": f"{now - timedelta(days=300):%Y-%m-%d}"}
            rows.append(row)
        for key in range(1, PATIENTS + 1):
            rows.append(_visit(key, now - timedelta(days=DAYS_AGO)))
            rows.append(_appointment(f"p{key}", now + timedelta(days=1, minutes=key), "next"))
        rows += [_request(key, now) for key in range(1, ASKED + 1)]
        rows += _texted()
        for place, row in enumerate(rows):  # apart, so that a search of what changed lately finds the last one only
            self._put(row, now - timedelta(seconds=APART_SECONDS * (len(rows) - place)))

    def book(self, patient: str, start: datetime, name: str = "next") -> str:
        """Book a visit, as of now; returns its id."""
        row = _appointment(patient, start, name)
        self._put(row, datetime.now(UTC))
        return str(row["id"])

    def _put(self, row: Row, at: datetime) -> None:
        row["meta"] = {"versionId": "1", "lastUpdated": utc(at)}
        self.tables[row["resourceType"]][row["id"]] = row


def _appointment(patient: str, start: datetime, name: str) -> Row:
    participants = [f"Patient/{patient}", "Practitioner/d1", "Location/l1"]
    return {
        "resourceType": "Appointment", "id": f"{patient}-{name}", "status": "booked", "start": start.isoformat(),
        "end": (start + timedelta(minutes=45)).isoformat(),
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in participants],
    }  # fmt: skip


def _visit(key: int, start: datetime) -> Row:
    """A finished visit with three charges."""
    icd = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}]}
    return {
        "resourceType": "Encounter", "id": f"v{key}", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/p{key}"}, "reasonCode": [icd],
        "participant": [{"individual": {"reference": f"Practitioner/d{1 + key % 2}"}}],
        "location": [{"location": {"reference": "Location/l1"}}],
        "period": {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()},
        "extension": [_charge(*one) for one in _DONE],
    }  # fmt: skip


def _charge(procedure: str, units: int, minutes: int, amount: str) -> Row:
    told = [
        {"url": "code", "valueCode": procedure}, {"url": "modifier", "valueCode": "GP"},
        {"url": "units", "valueDecimal": units}, {"url": "minutes", "valueInteger": minutes},
        {"url": "amount", "valueDecimal": float(amount)},
    ]  # fmt: skip
    return {"url": _CHARGE, "extension": told}


def _request(key: int, now: datetime) -> Row:
    """A request for twelve weeks of exercise, which FHIR writes as a claim of use preauthorization."""
    cpt = {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "97110"}]}
    return {
        "resourceType": "Claim", "id": f"a{key}", "status": "active", "use": "preauthorization",
        "type": {"coding": [{"code": "professional"}]}, "patient": {"reference": f"Patient/p{key}"},
        "created": now.isoformat(), "insurer": {"reference": "Organization/payer"},
        "provider": {"reference": "Organization/clinic"}, "facility": {"reference": "Location/l1"},
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/c{key}"}}],
        "item": [{"sequence": 1, "productOrService": cpt}],
    }  # fmt: skip


def _texted() -> Iterator[Row]:
    """Patients with a mobile number and their consent to texts about visits."""
    for id, phone in PHONES.items():
        yield {
            "resourceType": "Patient", "id": id, "active": True, "name": [{"family": "Example", "given": ["Robin"]}],
            "telecom": [{"system": "phone", "use": "mobile", "value": phone}],
        }  # fmt: skip
        agreed = {"type": "permit", "code": [{"coding": [{"code": "sms"}]}], "purpose": [{"code": "appointment"}]}
        yield {
            "resourceType": "Consent", "id": f"c-{id}", "status": "active", "patient": {"reference": f"Patient/{id}"},
            "provision": agreed,
        }  # fmt: skip
