"""Settings of the KMS key provider."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AwsKeyConfig(BaseModel):
    """Settings under ``[keys.config]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key_id: str = Field(min_length=1, max_length=2048, description="Id, ARN or alias of the symmetric KMS key.")
    region: str = Field(pattern=r"^[a-z0-9-]{4,32}$", description="The region that the key is in.")
    endpoint: str | None = Field(
        None, pattern=r"^(https://|http://(127\.0\.0\.1|localhost)(:|/|$)).*",
        description="Another address of KMS: a VPC endpoint, or a simulator on this machine.",
    )  # fmt: skip
    timeout: float = Field(5.0, gt=0, le=60, description="Seconds to wait for an answer.")
