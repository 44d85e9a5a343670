"""Wiring: offers the witness ``file`` to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import OpenWitness, Witness, hookimpl
from gateway_witness_file.config import FileWitnessConfig
from gateway_witness_file.witness import AppendedFile


class AppendedFileKind:
    """Appends heads to a file."""

    name = "file"
    every: float = 0.0
    config: type[BaseModel] = FileWitnessConfig

    def open(self, name: str, config: BaseModel) -> OpenWitness:
        """Set up one configured witness."""
        return AppendedFile(name, cast("FileWitnessConfig", config))


@hookimpl
def gateway_witnesses() -> Sequence[Witness]:
    """The witness ``file``."""
    return (AppendedFileKind(),)
