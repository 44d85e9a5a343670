"""Settings of the reactor ``duplicates``."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Part


class DuplicatesConfig(Part):
    """``[reactors.config]`` of a reactor ``duplicates``."""

    same_visit_minutes: int = Field(
        default=10, ge=0, le=120, description="Visits of one person that begin no further apart are taken for one."
    )
    days: int = Field(
        default=30, ge=1, le=3660, description="For so many days after a visit, or an authorization's end, it is shown."
    )
    mirrored: tuple[tuple[str, str], ...] = Field(
        default=(), description="Pairs of sources known to bring the same things: flagged as well, and nobody's work."
    )
