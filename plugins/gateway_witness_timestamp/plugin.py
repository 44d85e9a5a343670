"""Wiring: offers the witness ``timestamp`` to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import OpenWitness, Witness, hookimpl
from gateway_witness_timestamp.config import TimestampConfig
from gateway_witness_timestamp.witness import Stamped


class StampedKind:
    """Has heads stamped by an RFC 3161 authority, hourly."""

    name = "timestamp"
    every: float = 3600.0
    config: type[BaseModel] = TimestampConfig

    def open(self, name: str, config: BaseModel) -> OpenWitness:
        """Set up one configured witness."""
        return Stamped(name, cast("TimestampConfig", config))


@hookimpl
def gateway_witnesses() -> Sequence[Witness]:
    """The witness ``timestamp``."""
    return (StampedKind(),)
