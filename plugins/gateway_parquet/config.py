"""Settings of one route into Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.settings import Part


class ParquetConfig(Part):
    """Where the files go and how they are packed."""

    folder: Path = Field(description="Folder for the partitions and the manifest; one route alone writes there.")
    compression: Literal["zstd", "snappy", "none"] = Field(default="zstd", description="How columns are packed.")
