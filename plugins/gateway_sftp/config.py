"""Settings of one route into an SFTP mailbox."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Part
from gateway.transport.row_files import Columns, Format
from gateway.transport.sftp import SftpAccount


class SftpConfig(Part):
    """Where the mailbox is, and what the files look like."""

    account: SftpAccount = Field(description="The server, its pinned host keys, and how to log in.")
    folder: str = Field(
        default="", max_length=200, description="Folder of the server for the files; the one of the login when empty."
    )
    formats: tuple[Format, ...] = Field(
        default=("ndjson",), min_length=1, description="Formats to write: ndjson, csv or both."
    )
    columns: Columns = Field(
        default_factory=dict,
        description="CSV columns after the envelope, by record type; every field of the type when not given.",
    )
