"""Settings of time-stamped heads."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part


class TimestampConfig(Part):
    """Which authority, and where its tokens are kept."""

    url: str = Field(description="The authority's https address.")
    roots: Path = Field(description="PEM file with the root certificate that its signatures must lead to.")
    folder: Path = Field(description="Where heads (.note) and their tokens (.tsr) are kept.")
    allow_loopback: bool = Field(
        default=False, description="Whether an authority on this machine may be asked, without TLS too: for trials."
    )
