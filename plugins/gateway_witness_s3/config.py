"""Settings of a witness in object storage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.settings import Part


class S3WitnessConfig(Part):
    """Which bucket, and for how long its objects are locked."""

    bucket: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="A bucket that was made with object lock."
    )
    prefix: str = Field(
        default="", pattern=r"^([A-Za-z0-9._-]{1,64}/){0,4}$", description="What the objects' names begin with."
    )
    region: str = Field(pattern=r"^[a-z0-9-]{2,32}$", description="The region that the bucket is in.")
    endpoint: str | None = Field(
        default=None, pattern=r"^(https://|http://(127\.0\.0\.1|localhost)(:|/|$)).*",
        description="Another address of S3: a VPC endpoint, or another maker's object storage.",
    )  # fmt: skip
    retain_days: int = Field(
        default=2192, ge=30, le=36_500, description="Days for which nobody can delete a head; six years if not given."
    )
    mode: Literal["COMPLIANCE", "GOVERNANCE"] = Field(
        default="COMPLIANCE", description="GOVERNANCE lets some roles delete all the same: for trials."
    )
    timeout: float = Field(default=10.0, gt=0, le=25, description="Seconds to wait for an answer.")
