"""Settings of one route into files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part
from gateway.transport.row_files import Columns, Format


class FilesConfig(Part):
    """Where the files go and what they look like."""

    folder: Path = Field(description="Folder for the files and their manifest; one route alone writes there.")
    formats: tuple[Format, ...] = Field(
        default=("ndjson",), min_length=1, description="Formats to write: ndjson, csv or both."
    )
    columns: Columns = Field(
        default_factory=dict,
        description="CSV columns after the envelope, by record type; every field of the type when not given.",
    )
