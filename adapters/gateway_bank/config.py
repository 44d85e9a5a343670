"""Settings of one source of bank files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part


class CsvColumns(Part):
    """Which column of a CSV export holds what; names as in its first line."""

    date: str = Field(default="Date", description="Day of booking.")
    amount: str = Field(default="Amount", description="Amount; positive is money in.")
    debit: str = Field(default="", description="Money out, where it has a column of its own.")
    description: str = Field(
        default="Description", description="The bank's text, in which TRN segments are looked for."
    )
    reference: str = Field(default="", description="The bank's own number of the line.")
    trace: str = Field(default="", description="Trace number, where it has a column of its own.")
    date_format: str = Field(default="%Y-%m-%d", description="Form of the date, as strptime reads it.")


class BankConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``bank``."""

    folder: Path | None = Field(
        default=None, description="Folder where files arrive; without one, files come in by `gateway import` only."
    )
    patterns: tuple[str, ...] = Field(
        default=("*.bai", "*.bai2", "*.ach", "*.csv", "*.txt"), description="Names of files to take, as shell patterns."
    )
    poll_seconds: float = Field(default=5.0, ge=0.05, le=3600, description="Seconds between two looks at the folder.")
    accounts: dict[str, str] = Field(
        default_factory=dict, description="The clinic's name of each account, by the last four digits of its number."
    )
    csv: CsvColumns = Field(default=CsvColumns(), description="Columns of CSV exports.")
