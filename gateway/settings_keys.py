"""Settings of keys and of how long things are kept, with what every part of the settings is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.diagnosis import NAME

SIX_YEARS = 2192
"""Days; 45 CFR 164.316(b)(2)(i) for documentation, and the least that records are kept."""
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
    """``[[retention]]``: how long one class of what is stored is kept."""

    tenant: Name = Field(description="Whose.")
    keep: Literal["messages", "versions"] = Field(
        description="messages: bytes as received; versions: those that a newer one followed, or that were removed."
    )
    sources: tuple[str, ...] = Field(default=(), description="Only of these sources; of all when empty.")
    types: tuple[str, ...] = Field(default=(), description="Only versions of these record types; all when empty.")
    days: int = Field(
        ge=30, le=36_500,
        description="Dropped so many days after they came. At least 30 for messages and 2192, six years, for versions.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _lawful(self) -> Retention:
        if self.keep == "versions" and self.days < SIX_YEARS:
            raise ValueError(f"versions of records are kept for at least {SIX_YEARS} days")
        if self.keep == "messages" and self.types:
            raise ValueError("messages have no record type; name sources instead")
        return self
