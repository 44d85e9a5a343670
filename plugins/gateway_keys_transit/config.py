"""Settings of the transit key provider."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.secret import Secret


class TransitKeyConfig(BaseModel):
    """Settings under ``[keys.config]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(description="Address of Vault, such as https://vault.example.org:8200.")
    token: Secret = Field(description="Reference to the token; read anew for each request, so an agent may renew it.")
    key: str = Field("emr-gateway", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of the transit key.")
    mount: str = Field("transit", pattern=r"^[A-Za-z0-9_/-]{1,64}$", description="Where the transit engine is mounted.")
    namespace: str | None = Field(None, description="Vault namespace, where the server has them.")
    ca: Path | None = Field(None, description="PEM file of the authority that signed Vault's certificate.")
    timeout: float = Field(5.0, gt=0, le=60, description="Seconds to wait for an answer.")

    @field_validator("url")
    @classmethod
    def _guarded(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise ValueError("holds credentials; name the token instead")
        if parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname or "")):
            return url
        raise ValueError("must begin with https:// unless Vault is on this machine")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
