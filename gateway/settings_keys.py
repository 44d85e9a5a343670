"""Settings of keys and of how long things are kept, with what every part of the settings is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.diagnosis import NAME
from gateway.model import TYPES

LEAST_OF_A_PATIENT = 365
"""Days: whoever comes once a year is nobody who left."""
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
    """``[[retention]]``: how long one class of what is kept is kept."""

    tenant: Name = Field(description="Whose.")
    of: Literal["messages", "versions", "patients"] = Field(
        default="messages",
        description="Messages as received; versions of records that a newer one has replaced; or all of a patient.",
    )
    sources: tuple[str, ...] = Field(default=(), description="Only of these sources; of all when empty.")
    records: tuple[str, ...] = Field(
        default=(), description="Of versions: only of these record types; of all if empty."
    )
    days: int = Field(
        ge=30, le=36_500,
        description="Days since the message came, the version was replaced, or the last news of the patient.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _fits(self) -> Retention:
        unknown = sorted(set(self.records) - set(TYPES))
        if unknown:
            raise ValueError(f"{unknown[0][:40]} is no record type; known are: {', '.join(sorted(TYPES))}")
        if self.records and self.of != "versions":
            raise ValueError("records are named for versions only")
        if self.of == "patients" and (self.sources or self.days < LEAST_OF_A_PATIENT):
            raise ValueError(f"a patient is kept whole, of all sources, for {LEAST_OF_A_PATIENT} days at least")
        return self
