"""Patients, practitioners, places and companies as FHIR R4 resources."""

from __future__ import annotations

from gateway.wire.fhir_values import (
    NPI,
    OURS,
    TERMS,
    Fields,
    Json,
    address,
    addresses,
    clean,
    concept,
    human_name,
    identifier,
    identifiers,
    reference,
    required,
    telecom,
    text,
    zone,
)

_TAXONOMY = "http://nucc.org/provider-taxonomy"
_PLACES = "https://www.cms.gov/Medicare/Coding/place-of-service-codes"


def patient(fields: Fields) -> Json:
    """Patient."""
    names = human_name(fields.get("name"))
    for other in fields.get("other_names", ()):
        names += human_name({**other, "preferred": None}, "old")  # one nickname: that of the name in use
    made = clean(
        {
            "identifier": identifiers(fields.get("identifiers", ())),
            "active": fields.get("active"),
            "name": names,
            "telecom": telecom(fields.get("contacts", ())),
            "gender": fields.get("sex"),
            "birthDate": fields.get("birth_date"),
            "address": addresses(fields.get("addresses", ())),
            "contact": _emergency(fields),
            "communication": _language(fields),
            "generalPractitioner": [one] if (one := reference("Practitioner", fields.get("practitioner"))) else None,
        }
    )
    if fields.get("deceased_at") is not None:
        made["deceasedDateTime"] = fields["deceased_at"]
    elif fields.get("deceased") is not None:
        made["deceasedBoolean"] = fields["deceased"]
    if fields.get("merged_into") is not None:
        made["link"] = [{"other": reference("Patient", fields["merged_into"]), "type": "replaced-by"}]
    return made


def _emergency(fields: Fields) -> list[Json] | None:
    phone = text(fields.get("emergency_phone"))
    name = text(fields.get("emergency_name"))
    if not phone and not name:
        return None
    return [
        clean(
            {
                "relationship": [concept("C", f"{TERMS}v2-0131", "Emergency contact")],
                "name": {"text": name} if name else None,
                "telecom": [{"system": "phone", "value": phone}] if phone else None,
            }
        )
    ]


def _language(fields: Fields) -> list[Json] | None:
    found = concept(fields.get("language"), "urn:ietf:bcp:47")
    return None if found is None else [{"language": found, "preferred": True}]


def practitioner(fields: Fields) -> Json:
    """Practitioner."""
    taxonomy = concept(fields.get("taxonomy"), _TAXONOMY)
    credentials = concept(fields.get("credentials"))
    return clean(
        {
            "identifier": identifier(fields.get("npi"), NPI) + identifiers(fields.get("identifiers", ())),
            "active": fields.get("active"),
            "name": human_name(fields.get("name")),
            "telecom": telecom(fields.get("contacts", ())),
            "qualification": [{"code": one} for one in (taxonomy, credentials) if one],
        }
    )


def location(fields: Fields) -> Json:
    """Location."""
    active = fields.get("active")
    return clean(
        {
            "identifier": identifier(fields.get("npi"), NPI) + identifiers(fields.get("identifiers", ())),
            "status": None if active is None else "active" if active else "inactive",
            "name": text(fields.get("name")),
            "type": [one] if (one := concept(fields.get("place_of_service"), _PLACES)) else None,
            "telecom": telecom(fields.get("contacts", ())),
            "address": address(fields.get("address")),
            "managingOrganization": reference("Organization", fields.get("organization")),
            "extension": zone(fields),
        }
    )


def organization(fields: Fields) -> Json:
    """Organization."""
    found = identifier(fields.get("npi"), NPI) + identifier(fields.get("tax_id"), "urn:oid:2.16.840.1.113883.4.4")
    made = clean(
        {
            "identifier": found + identifiers(fields.get("identifiers", ())),
            "active": fields.get("active"),
            "name": text(fields.get("name")),
            "telecom": telecom(fields.get("contacts", ())),
            "address": addresses(fields.get("addresses", ())),
            "partOf": reference("Organization", fields.get("part_of")),
        }
    )
    return _named(made)


def payer(fields: Fields) -> Json:
    """Organization of type ``pay``."""
    found = identifier(fields.get("payer_id"), f"{OURS}payer-id")
    found += identifier(fields.get("originating_id"), f"{OURS}originating-id")
    kinds = [concept("pay", f"{TERMS}organization-type", "Payer"), concept(fields.get("kind"))]
    made = clean(
        {
            "identifier": found + identifiers(fields.get("identifiers", ())),
            "active": fields.get("active"),
            "type": [one for one in kinds if one],
            "name": text(fields.get("name")),
            "telecom": telecom(fields.get("contacts", ())),
            "address": [one] if (one := address(fields.get("address"))) else None,
        }
    )
    return _named(made)


def _named(made: Json) -> Json:
    """The organization, which FHIR wants to have a name where it has no number."""
    if "identifier" not in made:
        required(made, "name", made.get("name"))
    return made
