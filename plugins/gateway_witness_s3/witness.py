"""The bucket: one locked object for each head, named by the log, the size and the whole note.

A note is some 250 bytes, so it fits into a name (1,024 bytes), and a list of names gives every head without a request
for each. The object holds the note as well, for people who look.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from gateway.errors import IntegrityViolated, InvalidConfiguration, PluginFailed, RetryLater
from gateway.model.exchange import SignedHead
from gateway_witness_s3.config import S3WitnessConfig

T = TypeVar("T")
LONGEST_NAME = 1024
THERE = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""Answers to the second writing of one head."""
UNLOCKED = frozenset({"InvalidRequest", "ObjectLockConfigurationNotFoundError", "NotImplemented"})
"""Answers of a bucket, or of a maker's storage, that has no object lock."""


class LockedBucket:
    """Keeps heads under object lock and reads back every version of them, hidden or not."""

    def __init__(self, name: str, config: S3WitnessConfig) -> None:
        self._where = f"witnesses.{name}"
        self._config = config
        self._client: Any = None
        self._kept: dict[str, tuple[int, str]] = {}
        """By log, the newest head: its size and note."""

    async def keep(self, head: SignedHead) -> None:
        """Write a head that nobody can delete, unless the bucket has a longer log, or another of this size."""
        await asyncio.to_thread(self._ask, lambda client: self._keep(client, head))

    async def heads(self, origin: str) -> Sequence[str]:
        """Every head of one log."""
        found = await asyncio.to_thread(self._ask, lambda client: list(self._notes(client, origin)))
        return [note for _, note in found]

    def _keep(self, client: Any, head: SignedHead) -> None:
        if head.origin not in self._kept:
            self._kept[head.origin] = max(self._notes(client, head.origin), default=(0, ""))
        size, note = self._kept[head.origin]
        if size > head.size or (size == head.size and note != head.note):
            raise IntegrityViolated(
                f"The bucket has a head of {size} entries that this one does not continue", where=self._where,
                fix="Run `gateway verify audit`; somebody rewrote or rolled back the log.",
            )  # fmt: skip
        if size < head.size:
            self._write(client, head)
            self._kept[head.origin] = (head.size, head.note)

    def _write(self, client: Any, head: SignedHead) -> None:
        name = f"{self._folder(head.origin)}{head.size:018d}-{base64.urlsafe_b64encode(head.note.encode()).decode()}"
        if len(name) > LONGEST_NAME:
            raise InvalidConfiguration(
                "The name of a head's object would be too long",
                where=f"{self._where}.prefix",
                fix="Shorten the prefix.",
            )
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=self._config.retain_days)
        there = {"Bucket": self._config.bucket, "Key": name}
        try:
            client.put_object(
                **there, Body=head.note.encode(), ContentType="text/plain; charset=utf-8", IfNoneMatch="*",
                ChecksumAlgorithm="SHA256", ObjectLockMode=self._config.mode, ObjectLockRetainUntilDate=until,
            )  # fmt: skip
        except client.exceptions.ClientError as error:
            if _code(error) not in THERE:
                raise
        # Some makers take the headers of a lock and keep none: what is not locked is not kept.
        found = client.head_object(**there)
        mode, stays = found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")
        if mode not in {self._config.mode, "COMPLIANCE"} or stays is None or stays < until - timedelta(days=1):
            raise self._unlocked()

    def _notes(self, client: Any, origin: str) -> Iterator[tuple[int, str]]:
        folder = self._folder(origin)
        pages = client.get_paginator("list_object_versions").paginate(Bucket=self._config.bucket, Prefix=folder)
        for page in pages:
            for version in page.get("Versions", ()):
                size, _, note = version["Key"].removeprefix(folder).partition("-")
                try:
                    yield int(size), base64.b64decode(note, altchars=b"-_", validate=True).decode()
                except (ValueError, binascii.Error):
                    raise IntegrityViolated(
                        "The bucket holds an object that is no head", where=f"{self._where}.prefix",
                        fix="Give the heads a prefix of their own, where nothing else writes.",
                    ) from None  # fmt: skip

    def _folder(self, origin: str) -> str:
        return f"{self._config.prefix}{origin}/"

    def _ask(self, question: Callable[[Any], T]) -> T:
        """Ask S3; its refusals and silences as our errors, by code and nothing else."""
        try:
            import boto3  # it opens a socket as it is imported, which must not happen before somebody needs it
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise PluginFailed(
                "The witness s3 needs boto3", where=self._where, fix="Install the gateway with the extra aws."
            ) from None
        config = self._config
        try:
            if self._client is None:
                self._client = boto3.session.Session().client(
                    "s3", region_name=config.region, endpoint_url=config.endpoint,
                    config=Config(
                        connect_timeout=config.timeout, read_timeout=config.timeout,
                        retries={"total_max_attempts": 2, "mode": "standard"},
                    ),
                )  # fmt: skip
            return question(self._client)
        except ClientError as error:
            if _code(error) in UNLOCKED:
                raise self._unlocked() from None
            raise RetryLater(
                f"S3 refuses: {_code(error)}", where=self._where,
                fix="See that the bucket is there and that this machine's role has the five permissions.",
            ) from None  # fmt: skip
        except BotoCoreError as error:
            raise RetryLater(
                f"S3 gives no answer: {type(error).__name__}", where=self._where, fix="See that it can be reached."
            ) from None

    def _unlocked(self) -> InvalidConfiguration:
        return InvalidConfiguration(
            "The bucket does not lock what is written to it", where=f"{self._where}.bucket",
            fix="Name a bucket that was made with object lock; it cannot lock what is there already.",
        )  # fmt: skip


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
