"""Settings of one source of X12 files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part


class X12Config(Part):
    """``[sources.config]`` of a source whose adapter is ``x12``."""

    folder: Path | None = Field(
        None, description="Folder where files arrive; without one, files come in by `gateway import` only."
    )
    patterns: tuple[str, ...] = Field(
        ("*.x12", "*.835", "*.837", "*.27?", "*.999", "*.997", "*.ta1", "*.edi", "*.txt"),
        description="Names of files to take, as shell patterns.",
    )
    poll_seconds: float = Field(5.0, ge=0.05, le=3600, description="Seconds between two looks at the folder.")
    max_claim_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        le=16 * 1024 * 1024,
        description="Largest message: a claim, a patient's answer; a larger one becomes a finding.",
    )
