"""Settings of one route into a QuickBooks company."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.books import AccessByRefreshToken
from gateway.model.ledger_entry import AccountRole


class QuickBooksConfig(AccessByRefreshToken):
    """Which company, how to get in, and its accounts (their ids, as the API shows them)."""

    company: str = Field(pattern=r"^[0-9]{1,20}$", description="Company id (realmId), as the connection told it.")
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

    def origin(self) -> str:
        """Where the API is."""
        prefix = "sandbox-" if self.environment == "sandbox" else ""
        return self.url or f"https://{prefix}quickbooks.api.intuit.com"
