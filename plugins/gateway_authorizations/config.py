"""Settings of the reactor ``authorizations``."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Part


class AuthorizationsConfig(Part):
    """``[reactors.config]`` of a reactor ``authorizations``."""

    visits_left: int = Field(
        default=3, ge=0, le=100, description="Unbooked visits left at which somebody should ask for more."
    )
    days_left: int = Field(default=14, ge=0, le=365, description="Days left at which somebody should ask for more.")
