"""``retries`` of ``[[routes]]``: the steps in which a failed delivery is tried again."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

MOST = 50
LONGEST = 604_800
"""Seven days, in seconds."""


def _some(steps: tuple[float, ...]) -> tuple[float, ...]:
    if not 1 <= len(steps) <= MOST:
        raise ValueError(f"must have 1 to {MOST} steps")
    return steps


RetryStep = Annotated[float, Field(strict=True, ge=1, le=LONGEST, allow_inf_nan=False)]
RetrySteps = Annotated[tuple[RetryStep, ...], AfterValidator(_some)]
