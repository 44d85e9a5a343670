"""Settings of one route into a FHIR server."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.model.fhir_places import PUSHED
from gateway.transport.smart import Server, SmartAccount


class FhirPushConfig(SmartAccount):
    """Which server, how to get in, and how to write."""

    base_url: Server = Field(description="Base address of the server, such as https://ehr.example.org/r4.")
    scopes: tuple[str, ...] = Field(
        (), description="Scopes to ask for; when empty, system/*.cud or .write, as the server's versions tell."
    )
    bundle: Literal["batch", "transaction"] = Field(
        "batch", description="batch: each write stands alone; transaction: a Bundle is written whole or not at all."
    )
    write: Literal["by-id", "by-identifier", "create-by-identifier"] = Field(
        "by-id",
        description="by-id: PUT under our id; by-identifier: PUT where our identifier is found; create-by-identifier:"
        " POST where it is not found, and never change it.",
    )  # fmt: skip
    removed: Literal["delete", "keep"] = Field(
        "delete", description="What becomes of a resource whose record is gone; what is only created is always kept."
    )
    extensions: bool = Field(
        default=False, description="Whether granted fields that R4 has no element for travel as extensions of ours."
    )
    tag: str = Field(
        PUSHED, pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$",
        description="Code of the tag on all that is written, by which a source of the same server knows it (skip_tag).",
    )  # fmt: skip
    requests_per_minute: int = Field(240, ge=1, le=60_000, description="Our own limit on requests.")
    timeout_seconds: float = Field(60.0, gt=0, le=110, description="Longest time for one Bundle and its answer.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.must_enter(self.base_url)
        return self
