"""What the facade can do, told the way FHIR and SMART ask for it."""

from __future__ import annotations

from gateway.access.assertion import ALGORITHMS
from gateway.access.scopes import OTHERS
from gateway.http.fhir_search import INCLUDES, ORIGINS, offered
from gateway.model.fhir_places import RESOURCES
from gateway.wire.fhir_values import Json

BUILT = "2026-11-23"
"""When this statement last changed in substance."""
_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_BULK = "http://hl7.org/fhir/uv/bulkdata"

_PATIENTS: Json = {"name": "export", "definition": f"{_BULK}/OperationDefinition/patient-export"}
_SUBSCRIPTION: Json = {
    "type": "Subscription",
    "interaction": [{"code": code} for code in ("create", "read", "search-type", "delete")],
    "documentation": "rest-hook without payload; criteria is a resource type without parameters; one header,"
    " Authorization",
}


def statement(url: str, version: str) -> Json:
    """The CapabilityStatement of ``<url>/fhir``."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": BUILT,
        "kind": "instance",
        "software": {"name": "EMR gateway", "version": version},
        "implementation": {"description": "Records of many systems, as the client's view grants", "url": f"{url}/fhir"},
        "instantiates": [f"{_BULK}/CapabilityStatement/bulk-data"],
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "service": [{"coding": [{"system": _SERVICE, "code": "SMART-on-FHIR"}]}],
                    "extension": [
                        {
                            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                            "extension": [{"url": "token", "valueUri": f"{url}/oauth/token"}],
                        }
                    ],
                },
                "resource": [*map(_records, RESOURCES), *map(_other, OTHERS), _SUBSCRIPTION],
                "operation": [{"name": "export", "definition": f"{_BULK}/OperationDefinition/export"}],
            }
        ],
    }


def _records(name: str) -> Json:
    return {
        "type": name,
        "versioning": "versioned",
        "readHistory": True,
        "conditionalRead": "not-match",
        "interaction": [{"code": code} for code in ("read", "vread", "search-type")],
        **({"searchInclude": sorted(f"{name}:{param}" for param in INCLUDES[name])} if name in INCLUDES else {}),
        "searchRevInclude": [ORIGINS],
        **({"operation": [_PATIENTS]} if name == "Patient" else {}),
        "searchParam": [{"name": param, "type": type} for param, type in offered(name)],
    }


def _other(name: str) -> Json:
    params = {"AuditEvent": ("date",), "Provenance": ("target",)}[name]
    types = {"date": "date", "target": "reference"}
    return {
        "type": name,
        "interaction": [{"code": code} for code in ("read", "search-type")],
        "searchParam": [{"name": param, "type": types[param]} for param in params],
    }


def smart(url: str) -> Json:
    """``.well-known/smart-configuration``: SMART Backend Services."""
    return {
        "issuer": url,
        "token_endpoint": f"{url}/oauth/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": ["system/*.rs", *(f"system/{name}.rs" for name in (*RESOURCES, *OTHERS))],
        "response_types_supported": [],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": [
            "client-confidential-asymmetric", "client-confidential-symmetric", "permission-v1", "permission-v2",
        ],
    }  # fmt: skip
