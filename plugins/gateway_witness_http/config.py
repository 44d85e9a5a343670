"""Settings of a witness on another host."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part


class HttpWitnessConfig(Part):
    """Where the witness listens."""

    url: str = Field(description="https://host:port of the witness; http only on this machine.")
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
    allow_private: bool = Field(
        default=False, description="Whether the witness may have an address of the house's own network."
    )
