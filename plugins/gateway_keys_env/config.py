"""Settings of the environment key provider."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EnvKeyConfig(BaseModel):
    """Settings under ``[keys.config]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variable: str = Field(
        "GATEWAY_ROOT_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="The variable that holds the root key: 64 hexadecimal digits.",
    )  # fmt: skip
