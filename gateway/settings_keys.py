"""Settings of keys and of how long things are kept, with what every part of the settings is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.diagnosis import NAME

Name = Annotated[str, Field(pattern=NAME)]


class Part(BaseModel):
    """One table of ``gateway.toml``: frozen, and a key that is not a setting is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PreviousKeys(Part):
    """``[keys.previous]``: the root before this one, until ``gateway keys rotate --root`` has run."""

    provider: Name = Field(description="The key provider that wrapped the tenants' keys before.")
    config: dict[str, Any] = Field(default_factory=dict, description="That provider's own settings.")


class Keys(Part):
    """``[keys]``."""

    provider: Name = Field(default="file", description="The key provider that wraps the keystore's keys.")
    keystore: Path = Field(
        default=Path("keys/keystore.db"),
        description="The keystore's file: apart from the data, with a backup of its own.",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="The key provider's own settings.")
    previous: PreviousKeys | None = Field(
        default=None, description="The root before this one, while tenants' keys are still wrapped by it."
    )
    shred_list: Path = Field(
        default=Path("keys/shredded.list"),
        description="Who was shredded, kept outside keystore and data so that no restored copy undoes it.",
    )
    cache_seconds: float = Field(
        default=900.0, ge=10.0, le=86_400.0,
        description="How long keys are used to read after the key provider was last heard; intake goes on after that.",
    )  # fmt: skip
    keep_retired_days: int = Field(
        default=35, ge=0, le=3650,
        description="How long a replaced key still opens backups from before, once nothing stored needs it.",
    )  # fmt: skip


class Retention(Part):
    """``[[retention]]``: how long messages are kept as they were received."""

    tenant: Name = Field(description="Whose.")
    sources: tuple[str, ...] = Field(default=(), description="Only of these sources; of all when empty.")
    days: int = Field(
        ge=30, le=36_500,
        description="What opens a message is destroyed so many days after it came; what it told is kept in records.",
    )  # fmt: skip
