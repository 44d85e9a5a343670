"""Settings of one system's reports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.settings import Part, Secret
from gateway_reports.records_columns import REPORTS, SYSTEMS


class ReportsConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``reports``."""

    system: Literal["jane", "prompt", "raintree", "clinicient"] = Field(
        description="Whose reports they are: decides which headers are known without being named."
    )
    columns: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description='Headers that are not known, by report and column: {appointments = {state = "Appt Status"}}.',
    )
    reports: dict[str, str] = Field(
        default_factory=dict,
        description='Report by file name pattern, where headers do not tell: {"Operations*.xlsx" = "appointments"}.',
    )
    without_state: Literal["refuse", "booked"] = Field(
        "refuse", description="What to do with appointments whose report has no column for their state."
    )
    folder: Path | None = Field(None, description="Folder on this machine where reports are dropped.")
    patterns: tuple[str, ...] = Field(("*.csv", "*.txt", "*.xlsx"), description="Names of files to take there.")
    settle_seconds: float = Field(5.0, ge=0.01, le=3600, description="So long a file must stand still to be whole.")
    upload_token: Secret | None = Field(
        None, description="Reference to the bearer token of uploads to /hooks/<source>; without one none is taken."
    )
    delimiter: str = Field("", max_length=1, description="Between fields; found by evidence when empty.")
    date_order: Literal["mdy", "dmy"] = Field(
        "mdy", description="How dates with slashes are written; ISO always works."
    )
    null_words: tuple[str, ...] = Field((), description="Words that stand for an empty field, such as N/A.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in (*self.columns, *self.reports.values()):
            if name not in REPORTS:
                raise ValueError(f"there is no report of this name; known are {', '.join(REPORTS)}")
        for name, columns in self.columns.items():
            if unknown := columns.keys() - set(REPORTS[name].columns):
                known = ", ".join(REPORTS[name].columns)
                raise ValueError(f"{name} has no column {', '.join(sorted(unknown))}; it has {known}")
        return self

    def headers(self, report: str) -> dict[str, tuple[str, ...]]:
        """The columns of a report, with the headers that stand for each here."""
        known = SYSTEMS[self.system].get(report, {})
        named = self.columns.get(report, {})
        return {
            column: ((named[column],) if column in named else known.get(column, ()))
            for column in REPORTS[report].columns
        }
