"""Settings of the reactor ``replies``."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Part


class RepliesConfig(Part):
    """``[reactors.config]`` of a reactor ``replies``."""

    days: float = Field(
        default=7, gt=0, le=60, description="An answer is about the last message to the same number in so many days."
    )
