"""Settings of one route into journal files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.chart import Chart


class LedgerfileConfig(Chart):
    """Where the files go, in which forms, and the accounts as the program names them."""

    folder: Path = Field(description="Folder for the files and their list; one route alone writes there.")
    forms: tuple[Literal["csv", "iif"], ...] = Field(
        default=("csv",), min_length=1, description="Forms to write: csv, iif or both."
    )
