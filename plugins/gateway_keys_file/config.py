"""Settings of the file key provider."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class FileKeyConfig(BaseModel):
    """Settings under ``[keys.config]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(
        Path("keys/root.key"), description="The root key's file; another device than the data, mode 0600."
    )
