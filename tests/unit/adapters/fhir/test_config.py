"""Settings that cannot work are refused before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.adapters.fhir.server import config


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://ehr.example/fhir"},
        {"base_url": "https://user@ehr.example/fhir"},
        {"base_url": "https://ehr.example/fhir"},
        {"base_url": "https://ehr.example/fhir", "auth": "none"},
        {"base_url": "https://ehr.example/fhir", "auth": "client-secret", "client_id": "us"},
        {"base_url": "https://ehr.example/fhir", "auth": "mutual-tls"},
        {"export_level": "group"},
        {"types": ["Recipe"]},
        {"client_secret": "written-in-plain-text"},
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any]) -> None:
    """Plain http, missing credentials, unknown types and secrets in plain text are mistakes."""
    with pytest.raises(ValidationError):
        config(**settings)


def test_a_complete_server_is_accepted() -> None:
    """The usual set-up: address, client and key by reference."""
    chosen = config(base_url="https://ehr.example/fhir/", client_id="us", private_key="env:KEY")
    assert chosen.base_url == "https://ehr.example/fhir"
