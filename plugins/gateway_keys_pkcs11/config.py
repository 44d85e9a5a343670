"""Settings of the PKCS#11 key provider."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gateway.secret import Secret


class Pkcs11KeyConfig(BaseModel):
    """Settings under ``[keys.config]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    module: Path = Field(description="The PKCS#11 library of the token's maker, such as /usr/lib/libhsm.so.")
    token: str = Field(min_length=1, max_length=32, description="The token's label.")
    serial: str = Field("", max_length=16, description="Its serial number, where several tokens have the label.")
    pin: Secret = Field(description="Reference to the user's PIN; a wrong one is given to the token once, never again.")
    key: str = Field("emr-gateway", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Label of the AES-256 key.")
