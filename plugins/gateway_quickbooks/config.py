"""Settings of one route into a QuickBooks company."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.chart import Chart
from gateway.model.ledger_entry import AccountRole
from gateway.settings import Secret


class QuickBooksConfig(Chart):
    """Which company, how to get in, and its accounts (their ids, as the API shows them)."""

    company: str = Field(pattern=r"^[0-9]{1,20}$", description="Company id (realmId), as the connection told it.")
    client_id: Secret = Field(description="Reference to the app's client id.")
    client_secret: Secret = Field(description="Reference to the app's client secret.")
    refresh_token: Secret = Field(description="Reference to the refresh token that the connection began with.")
    token_file: Path = Field(description="File for the newest refresh token; it changes about every day.")
    environment: Literal["production", "sandbox"] = Field(default="sandbox", description="Which of Intuit's systems.")
    minor_version: int = Field(default=75, ge=75, description="Minor version of the API.")
    customers: dict[AccountRole, str] = Field(
        default_factory=dict,
        description="Customer id for roles on receivable accounts, which want one; a payer or a collective customer.",
    )
    url: str = Field(default="", description="Origin of the API when it is not Intuit's, for trials.")
    token_url: str = Field(
        default="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer", description="The token endpoint."
    )
    timeout: float = Field(default=30.0, gt=0, le=110, description="Seconds for one request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether a simulator on this machine may be reached, without TLS too."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )

    def origin(self) -> str:
        """Where the API is."""
        prefix = "sandbox-" if self.environment == "sandbox" else ""
        return self.url or f"https://{prefix}quickbooks.api.intuit.com"
