"""Wiring: offers the witness ``s3`` to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import OpenWitness, Witness, hookimpl
from gateway_witness_s3.config import S3WitnessConfig
from gateway_witness_s3.witness import LockedBucket


class LockedBucketKind:
    """Keeps heads in a bucket under object lock, hourly: each stays for years, and all are read back."""

    name = "s3"
    every: float = 3600.0
    config: type[BaseModel] = S3WitnessConfig

    def open(self, name: str, config: BaseModel) -> OpenWitness:
        """Set up one configured witness."""
        return LockedBucket(name, cast("S3WitnessConfig", config))


@hookimpl
def gateway_witnesses() -> Sequence[Witness]:
    """The witness ``s3``."""
    return (LockedBucketKind(),)
