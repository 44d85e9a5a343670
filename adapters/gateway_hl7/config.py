"""Settings of one source that speaks HL7 v2."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.settings import Part, Secret, is_loopback_host
from gateway.wire import hl7_charset


class Tls(Part):
    """``[sources.config.tls]``: without it only loopback and ``plaintext_networks`` may connect."""

    certificate: Path = Field(description="PEM file with the listener's certificate and its chain.")
    key: Path = Field(description="PEM file with the certificate's private key.")
    client_ca: Path | None = Field(
        None, description="PEM file with the authorities of client certificates; every client must then have one."
    )
    crl: Path | None = Field(
        None,
        description="PEM or DER file with the full revocation list of each authority; read again when it changes."
        " Once a list is overdue, nobody of its authority is let in.",
    )
    denied_serials: Path | None = Field(
        None,
        description="Text file with the serial numbers of client certificates that are refused, one in hexadecimal"
        " digits per line; read again when it changes.",
    )

    @model_validator(mode="after")
    def _has_clients(self) -> Self:
        if self.client_ca is None and (self.crl is not None or self.denied_serials is not None):
            raise ValueError("crl and denied_serials need client_ca: without it no client shows a certificate")
        return self


class Http(Part):
    """``[sources.config.http]``: with it messages may be posted to ``/hooks/<source>`` of the gateway's public port."""

    token: Secret = Field(
        description="Reference to the token that senders show: Authorization Bearer, or as the password of Basic."
    )


class Hl7Config(Part):
    """``[sources.config]`` of a source whose adapter is ``hl7``."""

    listen: bool = Field(True, description="Whether to listen for MLLP; false for a source of files only.")
    host: str = Field("127.0.0.1", description="Address to listen on; outside of loopback TLS is needed.")
    port: int = Field(2575, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    tls: Tls | None = Field(None, description="Certificate of the listener.")
    http: Http | None = Field(None, description="HL7 over HTTP; without it nothing is taken there.")
    plaintext_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Networks that may connect without TLS; a standing warning says so."
    )
    acknowledgement: Literal["original", "enhanced"] = Field(
        "original", description="Answer AA, AE, AR always; or, where MSH-15 is filled, CA, CE, CR as it asks."
    )
    facilities: tuple[str, ...] = Field(
        (), description="Sending facilities (MSH-4.1) that are let in; all when empty, others are answered AR."
    )
    charset: str | None = Field(
        None, description="The facility's charset where MSH-18 is empty, named as in HL7 table 0211, such as 8859/1."
    )
    max_message_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Longest message in bytes; a longer one gets AR."
    )
    max_connections: int = Field(1000, ge=1, le=100_000, description="MLLP connections at once.")
    max_in_flight: int = Field(64, ge=1, le=10_000, description="Unanswered messages of one connection.")
    idle_seconds: float = Field(600.0, gt=0, description="Seconds after which a silent connection is closed.")
    slow_seconds: float = Field(60.0, gt=0, description="Seconds a message may take from its first byte to its last.")
    hold_seconds: float = Field(
        30.0, ge=0, description="Seconds a message waits for a store that cannot commit; then the listener hangs up."
    )
    folder: Path | None = Field(None, description="Folder where files arrive; without one there is no drop folder.")
    patterns: tuple[str, ...] = Field(("*.hl7", "*.txt"), description="Names of files to take, as shell patterns.")
    poll_seconds: float = Field(2.0, ge=0.05, le=3600, description="Seconds between two looks at the folder.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        open_ = self.listen and self.tls is None and not self.plaintext_networks
        if open_ and not is_loopback_host(self.host):
            raise ValueError(
                "an address off this machine needs a certificate under tls; or list the networks that may speak without"
                " TLS in plaintext_networks"
            )
        return self

    @model_validator(mode="after")
    def _known_charset(self) -> Self:
        if self.charset is not None and hl7_charset.codec(self.charset) is None:
            raise ValueError("charset is not one of HL7 table 0211, such as 8859/1 or UNICODE UTF-8")
        return self
