"""What an export consists of, as the server's manifest says, and how far one was read, as the cursor keeps it."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gateway.wire.json_decoder import decoder
from gateway_fhir.records import Part


class ExportFile(Part, frozen=True, kw_only=True):
    type: str = ""
    url: str = ""
    count: int | None = None


class Manifest(Part, frozen=True, kw_only=True):
    """What a finished export consists of."""

    transaction_time: str
    requires_access_token: bool = True
    output: tuple[ExportFile, ...] = ()
    deleted: tuple[ExportFile, ...] = ()
    error: tuple[ExportFile, ...] = ()

    @property
    def files(self) -> tuple[ExportFile, ...]:
        """In the order in which they are read: what is there, what is gone, what went wrong."""
        return (*self.output, *self.deleted, *self.error)


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the exports of one server have come."""

    since: str | None = None
    """``transactionTime`` of the last export that was stored whole."""
    status: str | None = None
    """Status address of the export that runs."""
    asked_at: float = 0.0
    """When it was asked for, seconds since 1970."""
    at: str | None = None
    """Its ``transactionTime``, once known; another one later means that the server made other files."""
    file: int = 0
    line: int = 0

    @property
    def text(self) -> str:
        """As the cursor keeps it."""
        return msgspec.json.encode(self).decode()


decode_run = decoder(Run)
decode_manifest = decoder(Manifest)
