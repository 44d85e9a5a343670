"""Settings of the reactor ``reassociation``."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Part


class ReassociationConfig(Part):
    """``[reactors.config]`` of a reactor ``reassociation``."""

    patience_days: int = Field(
        default=5,
        ge=1,
        le=90,
        description="Days after which a remittance without money, or money without one, is work.",
    )
    claim_days: int = Field(
        default=30, ge=1, le=365, description="Days after the first service at which a claim without an answer is work."
    )
