"""The folder: one Parquet file per type and day of a dispatch, written whole, listed in a manifest."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.errors import PluginFailed
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Retry
from gateway.transport.manifest import Entry, disk_word, take_folder
from gateway.transport.whole_file import sync_folder, write_whole
from gateway_parquet.config import ParquetConfig
from gateway_parquet.translate import ENVELOPE, columns_of, partitions, rows


class Lake:
    """One route's folder."""

    def __init__(self, route: str, config: ParquetConfig) -> None:
        self._config = config
        self._arrow, self._parquet = _library()
        self._turn = threading.Lock()  # held by the writing thread, so that a cancelled caller does not free it
        self._manifest = take_folder(config.folder, f"routes.{route}.folder")

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Write the files of a dispatch; all of it happens, or all of it is to be tried again."""
        try:
            receipts = await asyncio.to_thread(self._write, dispatch)
        except OSError as error:
            return [Retry(disk_word(error))] * len(dispatch.deliveries)
        return [Delivered(receipts[one.type, one.at[:10]]) for one in dispatch.deliveries]

    def _write(self, dispatch: Dispatch) -> dict[tuple[str, str], str]:
        """Files first, each synced and then named, then their lines in the manifest."""
        receipts: dict[tuple[str, str], str] = {}
        fresh: list[Entry] = []
        with self._turn:
            self._manifest.settle()
            for (type_name, day), deliveries in partitions(dispatch.deliveries).items():
                name = f"{type_name}/day={day}/{type_name}-{dispatch.id}.parquet"
                body = self._packed(type_name, deliveries)
                digest = hashlib.sha256(body).hexdigest()
                receipts[type_name, day] = f"{name} sha256:{digest}"
                entry = Entry(name, dispatch.id, len(deliveries), len(body), digest)
                if not self._manifest.has(entry):
                    self._place(self._config.folder / name, body)
                    fresh.append(entry)
            if fresh:
                self._manifest.append(fresh)
        return receipts

    def _place(self, path: Path, body: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, body)
        for folder in (path.parent, path.parent.parent, self._config.folder):
            sync_folder(folder)

    def _packed(self, type_name: str, deliveries: Sequence[Delivery]) -> bytes:
        table = self._arrow.Table.from_pylist(rows(type_name, deliveries), schema=self._schema(type_name))
        out = io.BytesIO()
        self._parquet.write_table(table, out, compression=self._config.compression)
        return out.getvalue()

    def _schema(self, type_name: str) -> Any:
        arrow = self._arrow
        kinds = {
            "text": arrow.string(), "json": arrow.string(), "whole": arrow.int64(), "flag": arrow.bool_(),
            "number": arrow.float64(), "money": arrow.decimal128(38, 2), "date": arrow.date32(),
            "instant": arrow.timestamp("us", tz="UTC"),
        }  # fmt: skip
        envelope = [(name, arrow.int64() if name == "version" else arrow.string()) for name in ENVELOPE]
        return arrow.schema(envelope + [(one.name, kinds[one.kind]) for one in columns_of(type_name)])

    async def probe(self, delivery: Delivery) -> Outcome:  # noqa: ARG002  # the contract's signature
        """A file is there or not, so nothing is ever ambiguous: writing again settles it."""
        return Retry("written-again")

    async def close(self) -> None:
        """Let the folder go, after a dispatch that is being written."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._turn:
            self._manifest.close()


def _library() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise PluginFailed(
            "Parquet needs pyarrow", where="parquet", fix="install the gateway with the extra parquet"
        ) from None
    return pa, pq
