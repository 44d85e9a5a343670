"""Wiring: offers the witness ``http`` to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import OpenWitness, Witness, hookimpl
from gateway_witness_http.config import HttpWitnessConfig
from gateway_witness_http.witness import RemoteWitness


class RemoteWitnessKind:
    """Tells heads to a witness on another host."""

    name = "http"
    every: float = 0.0
    config: type[BaseModel] = HttpWitnessConfig

    def open(self, name: str, config: BaseModel) -> OpenWitness:
        """Set up one configured witness."""
        return RemoteWitness(name, cast("HttpWitnessConfig", config))


@hookimpl
def gateway_witnesses() -> Sequence[Witness]:
    """The witness ``http``."""
    return (RemoteWitnessKind(),)
