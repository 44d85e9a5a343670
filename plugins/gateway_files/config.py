"""Settings of one route into files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from gateway.model import TYPES
from gateway.settings import Part


class FilesConfig(Part):
    """Where the files go and what they look like."""

    folder: Path = Field(description="Folder for the files and their manifest; one route alone writes there.")
    formats: tuple[Literal["ndjson", "csv"], ...] = Field(
        default=("ndjson",), min_length=1, description="Formats to write: ndjson, csv or both."
    )
    columns: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="CSV columns after the envelope, by record type; every field of the type when not given.",
    )

    @field_validator("columns")
    @classmethod
    def _fields_exist(cls, columns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for type_name, names in columns.items():
            if type_name not in TYPES:
                raise ValueError(f"there is no record type {type_name!r}; use one of: {', '.join(sorted(TYPES))}")
            declared = TYPES[type_name].__struct_fields__
            if missing := [name for name in names if name not in declared]:
                raise ValueError(f"{type_name} has no field {missing[0]!r}; use any of: {', '.join(declared)}")
        return columns
