"""Settings of a witness file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part


class FileWitnessConfig(Part):
    """Where heads are appended."""

    path: Path = Field(description="The file; it is made when it is not there, and only ever grows.")
