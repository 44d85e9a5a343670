"""Wiring: offers the files sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import SinkInfo
from gateway_files.config import FilesConfig
from gateway_files.sink import FolderSink


class FilesSink:
    """Writes deliveries to NDJSON and CSV files."""

    info = SinkInfo(
        name="files",
        version="1",
        api=API_VERSION,
        summary="NDJSON and CSV files in a folder, with a manifest",
        idempotency="native-key",
        residual_risk="None while one route owns the folder: a repeated dispatch has the same file names and bytes.",
        batch=2000,
        raw=True,
        linger=1.0,
    )
    config: type[BaseModel] = FilesConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Make the folder when it is missing, recover its manifest and take it for ``route`` alone."""
        return FolderSink(route, cast("FilesConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The files sink."""
    return (FilesSink(),)
