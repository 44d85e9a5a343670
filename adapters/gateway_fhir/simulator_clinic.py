"""A synthetic clinic as FHIR R4 resources, as an EHR that serves scheduling and billing would show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.testing.synthetic_clinic import SyntheticClinic, SyntheticPerson, SyntheticVisit

Row = dict[str, Any]

_NPI = "http://hl7.org/fhir/sid/us-npi"
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
_CANCEL = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
_STATUS = {"booked": "booked", "arrived": "fulfilled", "cancelled": "cancelled", "no-show": "noshow"}
_REASON = {"feeling-better": "pat-fb", "away": "pat-mv", "work": "pat-cpp"}


def resources(clinic: SyntheticClinic) -> Iterator[Row]:
    """Every resource, without meta; those that others refer to first."""
    yield _organization("clinic", "prov", "Synthetic Therapy Group")
    yield _organization("payer", "ins", "Synthetic Health Plan")
    for place in clinic.places:
        address = _address(place.street, place.city, place.state, place.postal_code)
        zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": place.zone}
        yield {
            "resourceType": "Location", "id": f"l{place.key}", "extension": [zone], "status": "active",
            "name": place.name, "address": address, "managingOrganization": {"reference": "Organization/clinic"},
        }  # fmt: skip
    for therapist in clinic.therapists:
        npi = {"system": _NPI, "value": f"{1000000000 + therapist.key:010d}"}
        specialty = {"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "225100000X"}]}
        yield _person("Practitioner", f"d{therapist.key}", therapist) | {"identifier": [npi], "active": True}
        yield {
            "resourceType": "PractitionerRole", "id": f"r{therapist.key}", "active": True, "specialty": [specialty],
            "practitioner": _to("Practitioner", f"d{therapist.key}", f"{therapist.given} {therapist.family}"),
            "location": [{"reference": "Location/l1"}],
        }  # fmt: skip
    for patient in clinic.patients:
        yield from _patient(patient)
    for visit in clinic.visits:
        yield from _visit(visit)


def _patient(patient: SyntheticPerson) -> Iterator[Row]:
    key = f"p{patient.key}"
    type = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    chart = {"use": "usual", "type": type, "system": "urn:oid:2.16.840.1.113883.19.5", "value": f"CH-{patient.key:05d}"}
    language = {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}, "preferred": True}
    yield _person("Patient", key, patient) | {
        "identifier": [chart], "active": True, "gender": patient.sex, "birthDate": patient.birth_date.isoformat(),
        "address": [_address(patient.street, patient.city, patient.state, patient.postal_code) | {"use": "home"}],
        "communication": [language],
    }  # fmt: skip
    group = {"type": {"coding": [{"system": _CLASS, "code": "group"}]}, "value": f"G{patient.key % 7:03d}"}
    yield {
        "resourceType": "Coverage", "id": f"c{patient.key}", "status": "active", "subscriberId": f"M{patient.key:07d}",
        "beneficiary": {"reference": f"Patient/{key}"}, "payor": [{"reference": "Organization/payer"}],
        "relationship": {"coding": [{"code": "self"}]}, "class": [group], "order": 1, "period": {"start": "2026-01-01"},
    }  # fmt: skip


def _visit(visit: SyntheticVisit) -> Iterator[Row]:
    participants = [f"Patient/p{visit.patient}", f"Practitioner/d{visit.therapist}", f"Location/l{visit.place}"]
    row: Row = {
        "resourceType": "Appointment", "id": f"a{visit.key}", "status": _STATUS[visit.outcome],
        "appointmentType": {"text": visit.kind}, "start": utc(visit.start), "end": utc(visit.end),
        "created": utc(visit.booked_at),
        "participant": [{"actor": {"reference": one}, "status": "accepted"} for one in participants],
    }  # fmt: skip
    if visit.outcome == "cancelled":
        code = _REASON.get(visit.cancel_reason, "pat")
        row["cancelationReason"] = {"coding": [{"system": _CANCEL, "code": code}]}
    yield row
    if visit.outcome == "arrived":
        yield from _billed(visit)


def _billed(visit: SyntheticVisit) -> Iterator[Row]:
    """The claim of one visit and its explanation of benefit: three services, the last paid in part."""
    day, patient = visit.start.date().isoformat(), {"reference": f"Patient/p{visit.patient}"}
    insurance = [{"focal": True, "coverage": {"reference": f"Coverage/c{visit.patient}"}}]
    head = {
        "status": "active", "type": {"coding": [{"code": "professional"}]}, "use": "claim", "patient": patient,
        "created": utc(visit.end + timedelta(days=1)), "insurer": {"reference": "Organization/payer"},
        "provider": {"reference": "Organization/clinic"},
    }  # fmt: skip
    icd = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}]}
    diagnosis = [{"sequence": 1, "diagnosisCodeableConcept": icd}]
    services = [_service(number, code, day) for number, code in enumerate(("97110", "97140", "97530"), 1)]
    claim: Row = {"resourceType": "Claim", "id": f"k{visit.key}", **head, "priority": {"coding": [{"code": "normal"}]}}
    yield claim | {
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.19.6", "value": f"CLM{visit.key:06d}"}],
        "diagnosis": diagnosis, "insurance": [{"sequence": 1, **insurance[0]}], "item": services,
        "total": _money(180),
    }  # fmt: skip
    items = [one | {"adjudication": _adjudicated(one["sequence"])} for one in services]
    yield {
        "resourceType": "ExplanationOfBenefit", "id": f"e{visit.key}", **head, "outcome": "complete",
        "claim": {"reference": f"Claim/k{visit.key}"}, "insurance": insurance, "diagnosis": diagnosis, "item": items,
        "total": [_total("submitted", 180), _total("benefit", 135)], "payment": {"amount": _money(135)},
    }  # fmt: skip


def _service(number: int, code: str, day: str) -> Row:
    return {
        "sequence": number, "diagnosisSequence": [1], "servicedDate": day, "net": _money(60), "quantity": {"value": 1},
        "productOrService": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": code}]},
        "modifier": [{"coding": [{"code": "GP"}]}],
    }  # fmt: skip


def _adjudicated(number: int) -> list[Row]:
    copay = 15 if number == 3 else 0
    return [_total("submitted", 60), _total("benefit", 45), _total("copay", copay)]


def _total(category: str, amount: int) -> Row:
    system = "http://terminology.hl7.org/CodeSystem/adjudication"
    return {"category": {"coding": [{"system": system, "code": category}]}, "amount": _money(amount)}


def _money(amount: int) -> Row:
    return {"value": float(amount), "currency": "USD"}


def _person(type: str, key: str, person: SyntheticPerson) -> Row:
    name = {"use": "official", "family": person.family, "given": [person.given]}
    return {
        "resourceType": type, "id": key, "name": [name],
        "telecom": [
            {"system": "phone", "value": person.phone, "use": "mobile"}, {"system": "email", "value": person.email}
        ],
    }  # fmt: skip


def _organization(key: str, type: str, name: str) -> Row:
    concept = {"coding": [{"system": _TYPE, "code": type}]}
    return {"resourceType": "Organization", "id": key, "active": True, "type": [concept], "name": name}


def _address(street: str, city: str, state: str, postal_code: str) -> Row:
    return {"line": [street], "city": city, "state": state, "postalCode": postal_code, "country": "US"}


def _to(type: str, key: str, display: str) -> Row:
    return {"reference": f"{type}/{key}", "display": display}


def utc(at: datetime) -> str:
    """An instant as FHIR writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
