"""Wiring: offers the Parquet sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_parquet.config import ParquetConfig
from gateway_parquet.sink import Lake


class ParquetSink:
    """Writes deliveries to Parquet files."""

    info = SinkInfo(
        name="parquet",
        version="1",
        api=API_VERSION,
        summary="Parquet files in a folder, partitioned by day, with a manifest",
        idempotency="native-key",
        residual_risk="None while one route owns the folder: a repeated dispatch has the same file names and rows.",
        batch=2000,
        linger=1.0,
    )
    config: type[BaseModel] = ParquetConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Make the folder when it is missing, recover its manifest and take it for ``route`` alone."""
        return Lake(route, cast("ParquetConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The Parquet sink."""
    return (ParquetSink(),)
