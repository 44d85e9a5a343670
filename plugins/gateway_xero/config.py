"""Settings of one route into a Xero organisation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.books import AccessByRefreshToken
from gateway.chart import Dimension


class XeroConfig(AccessByRefreshToken):
    """Which organisation, how to get in, and its accounts (their codes)."""

    organisation: str = Field(
        pattern=r"^[0-9A-Za-z-]{1,64}$", description="Tenant id of the organisation (xero-tenant-id)."
    )
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
