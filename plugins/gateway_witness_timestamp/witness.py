"""Asking a time-stamping authority, checking its token, and keeping both beside each other."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from gateway.errors import IntegrityViolated, InvalidConfiguration, RetryLater
from gateway.model.exchange import SignedHead
from gateway.transport.egress import Egress
from gateway_witness_timestamp.config import TimestampConfig

SECONDS = 20.0


class Stamped:
    """Heads with tokens in a folder."""

    def __init__(self, name: str, config: TimestampConfig) -> None:
        self._where = f"witnesses.{name}"
        self._folder = config.folder
        self._url, self._loopback = config.url, config.allow_loopback
        self._roots = _certificates(config.roots, f"{self._where}.roots")

    async def keep(self, head: SignedHead) -> None:
        """Have the head stamped; head and token are synced before this returns."""
        from rfc3161_client import (
            TimestampRequestBuilder,
            VerificationError,
            VerifierBuilder,
            decode_timestamp_response,
        )

        note = head.note.encode()
        request = TimestampRequestBuilder().data(note).build()
        body = await self._ask(request.as_bytes())
        try:
            response = decode_timestamp_response(body)
            builder = VerifierBuilder.from_request(request)
            for root in self._roots:
                builder = builder.add_root_certificate(root)
            builder.build().verify_message(response, note)
        except (ValueError, VerificationError):
            raise IntegrityViolated(
                "The time-stamping authority answered a token that does not verify", where=self._where,
                fix="Check that `roots` holds the authority's own root certificate.",
            ) from None  # fmt: skip
        await asyncio.to_thread(self._write, head, body)

    async def heads(self, origin: str) -> Sequence[str]:
        """The stamped heads of one log that have their token beside them."""
        return await asyncio.to_thread(self._read, origin)

    async def _ask(self, request: bytes) -> bytes:
        egress = Egress(self._url, allow_loopback=self._loopback, timeout=SECONDS, where=f"{self._where}.url")
        try:
            answer = await egress.post(
                request, {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
            )
        except OSError as error:
            raise RetryLater(f"The authority cannot be reached: {type(error).__name__}", where=self._where) from None
        finally:
            await egress.close()
        if answer.status != 200 or not answer.whole:
            raise RetryLater(f"The authority answered status {answer.status}", where=self._where)
        return answer.body

    def _write(self, head: SignedHead, token: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = self._folder / f"{_file_name(head.origin)}-{head.size:018d}"
        for path, content in ((name.with_suffix(".tsr"), token), (name.with_suffix(".note"), head.note.encode())):
            with path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def _read(self, origin: str) -> list[str]:
        found = sorted(self._folder.glob(f"{_file_name(origin)}-*.note"))
        return [path.read_text("utf-8") for path in found if path.with_suffix(".tsr").exists()]


def _file_name(origin: str) -> str:
    return re.sub(r"[^a-z0-9-]", "_", origin.lower())


def _certificates(path: Path, where: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        raise InvalidConfiguration(
            "The root certificate cannot be read", where=where, fix="Name a PEM file of the authority's root."
        ) from None
