"""Settings of one route to a system that receives HL7 v2."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field, model_validator

from gateway.settings import Part

_NAME = r"^[A-Za-z0-9 ._/-]{1,180}$"


class Tls(Part):
    """``[routes.config.tls]``: how the receiver is known, and this gateway to it."""

    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
    server_name: str | None = Field(
        default=None, description="The name in the receiver's certificate, where it is not host."
    )
    certificate: Path | None = Field(
        default=None, description="PEM file with this gateway's certificate, for receivers that ask for one."
    )
    key: Path | None = Field(default=None, description="PEM file with that certificate's private key.")

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key stand together")
        return self


class MllpConfig(Part):
    """Where messages go, and what their header says."""

    host: str = Field(min_length=1, description="The receiver's name or address.")
    port: int = Field(ge=1, le=65535, description="The receiver's port.")
    tls: Tls = Field(default_factory=Tls, description="How the two know each other.")
    plaintext_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="Networks where the receiver is reached without TLS; the loopback needs no entry."
    )
    plaintext: bool = Field(
        default=False, description="Speak without TLS: only to the loopback and to plaintext_networks."
    )
    sending_application: str = Field(default="GATEWAY", pattern=_NAME, description="MSH-3.")
    sending_facility: str = Field(default="GATEWAY", pattern=_NAME, description="MSH-4.")
    receiving_application: str = Field(default="RECEIVER", pattern=_NAME, description="MSH-5.")
    receiving_facility: str = Field(default="RECEIVER", pattern=_NAME, description="MSH-6.")
    processing_id: str = Field(default="P", pattern="^[PTD]$", description="MSH-11: production, training or debugging.")
    enhanced: bool = Field(
        default=False, description="Ask for an accept acknowledgement only (MSH-15 AL, MSH-16 NE): CA, CE or CR."
    )
    timeout: float = Field(default=30.0, gt=0, le=300, description="Seconds to wait for a connection or an answer.")
    resend: bool = Field(
        default=True,
        description="After a lost answer send again under the same control id; false leaves it to a person.",
    )
