"""Settings of one route into a Xero organisation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.chart import Chart, Dimension
from gateway.settings import Secret


class XeroConfig(Chart):
    """Which organisation, how to get in, and its accounts (their codes)."""

    organisation: str = Field(
        pattern=r"^[0-9A-Za-z-]{1,64}$", description="Tenant id of the organisation (xero-tenant-id)."
    )
    client_id: Secret = Field(description="Reference to the app's client id.")
    client_secret: Secret = Field(description="Reference to the app's client secret.")
    refresh_token: Secret = Field(description="Reference to the refresh token that the connection began with.")
    token_file: Path = Field(description="File for the newest refresh token; every use makes a new one.")
    status: Literal["POSTED", "DRAFT"] = Field(
        default="POSTED", description="POSTED books at once; DRAFT waits for a person in Xero."
    )
    tracking: dict[Dimension, str] = Field(
        default_factory=dict, max_length=2,
        description='Name of the tracking category for a dimension: location = "Clinic"; two at most.',
    )  # fmt: skip
    url: str = Field(default="https://api.xero.com", description="Origin of the API.")
    token_url: str = Field(default="https://identity.xero.com/connect/token", description="The token endpoint.")
    per_minute: int = Field(
        default=60, ge=1, le=600, description="Requests a minute; what Xero allows an app is not part of its schema."
    )
    page: int = Field(
        default=100, ge=1, le=1000,
        description="Journals asked for at a time when one is looked for; an empty page is the last.",
    )  # fmt: skip
    refusals: dict[str, str] = Field(
        default={
            "lock": "books-closed", "account": "account-unknown-or-not-allowed", "tracking": "tracking-unknown",
            "debit": "not-balanced",
        },
        max_length=50,
        description="What a validation message is about, by a word in it: Xero publishes no codes for them.",
    )  # fmt: skip
    timeout: float = Field(default=30.0, gt=0, le=110, description="Seconds for one request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether a simulator on this machine may be reached, without TLS too."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
