"""Settings of one source of X12 files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.settings import Part
from gateway.transport.sftp import SftpAccount
from gateway.wire.x12_acknowledge import Owed


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
    sftp: SftpAccount | None = Field(None, description="Mailbox of the clearinghouse; without one, no SFTP.")
    sftp_folder: str = Field("", description="Folder of the mailbox that answers lie in; empty: where a log-in begins.")
    after: Literal["leave", "archive", "delete"] = Field(
        "leave", description="What becomes of a stored file in the mailbox."
    )
    archive_folder: str = Field("archive", description='Folder of the mailbox for `after = "archive"`.')
    mailbox_seconds: float = Field(300.0, ge=0.05, le=86_400, description="Seconds between two looks at the mailbox.")
    settle_seconds: float = Field(
        5.0, ge=0.01, le=3600, description="So long a file of the mailbox must stand still to be whole."
    )
    acknowledge: frozenset[Owed] = Field(
        frozenset(),
        description='What senders are answered with: "TA1" where they ask for it or are refused, "999" for each group.'
        " Ask the clearinghouse first: many want none.",
    )
    max_claim_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        le=16 * 1024 * 1024,
        description="Largest message: a claim, a patient's answer; a larger one becomes a finding.",
    )
