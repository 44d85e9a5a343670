"""Settings of one WebPT company."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.settings import Part, Secret
from gateway.transport.sftp import SftpAccount

DAYS = {"daily": 1, "weekly": 7, "monthly": 31}


class WebptConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``webpt``."""

    sftp: SftpAccount | None = Field(None, description="Mailbox of the Standard Extract; without one, no SFTP.")
    sftp_folder: str = Field(
        "", description="Folder of the mailbox that holds the files; empty: where a log-in begins."
    )
    after: Literal["leave", "archive", "delete"] = Field("leave", description="What becomes of a stored file there.")
    archive_folder: str = Field("archive", description='Folder of the mailbox for `after = "archive"`.')
    folder: Path | None = Field(None, description="Folder on this machine where extracts or reports are dropped.")
    upload_token: Secret | None = Field(
        None, description="Reference to the bearer token of uploads to /hooks/<source>; without one none is taken."
    )
    patterns: tuple[str, ...] = Field(("*.csv", "*.txt", "*.xlsx"), description="Names of files to take.")
    poll_seconds: float = Field(900.0, ge=0.05, le=86_400, description="Seconds between two looks.")
    settle_seconds: float = Field(5.0, ge=0.01, le=3600, description="So long a file must stand still to be whole.")
    tables: dict[str, str] = Field(
        default_factory=dict,
        description='Table by file name pattern, where the header does not tell: {"APPT_*.csv" = "appointments"}.',
    )
    delimiter: str = Field("", max_length=1, description="Between fields; found by evidence when empty.")
    encoding: Literal["", "utf-8", "utf-16-le", "utf-16-be"] = Field(
        "", description="Of the files; found by evidence when empty. Windows-1252 is read where UTF-8 does not fit."
    )
    date_order: Literal["mdy", "dmy"] = Field(
        "mdy", description="How dates with slashes are written; ISO always works."
    )
    null_words: tuple[str, ...] = Field((), description="Words that stand for an empty field, such as NULL.")
    every: Literal["daily", "weekly", "monthly"] = Field("daily", description="How often WebPT builds the extract.")
    late_hours: float = Field(30.0, gt=0, le=2400, description="So long after the last file the alarm is raised.")
    window_days: int = Field(14, ge=0, le=366, description="Days before and after the night that appointments cover.")
    absent: Literal["removed", "unknown"] = Field(
        "removed", description="What an appointment is that is missing inside the window of a newer night."
    )
    most_absent: float = Field(
        0.3, ge=0, le=1, description="Share of the window that may go missing in a night before none of it is believed."
    )
    soap_versions_share_ids: bool = Field(
        False, description="Whether the SOAP 2.0 tables use the ids of the SOAP 1.0 tables for the same things."
    )
    revflow_patient_ids_are_emr: bool = Field(
        False, description="Whether patient_id of the RevFlow tables is the patient_id of the EMR tables."
    )
    remember_rows: int = Field(
        200_000,
        ge=0,
        le=2_000_000,
        description="Rows of a table remembered by digest, so that unchanged ones are cheap.",
    )
