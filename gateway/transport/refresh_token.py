"""Refresh tokens that change with every use (OAuth 2.0, RFC 6749 section 6): the newest is on disk before it is used.

A peer that rotates refresh tokens believes only the newest one. So an answer of its token endpoint is written to a
file, mode 0600, and synced before the access token in it is handed out: a crash can lose an access token, never the
way to the next. Only one route may own a file.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import msgspec

from gateway.errors import InvalidConfiguration, RateLimited, SourceUnavailable
from gateway.transport.egress import Egress
from gateway.transport.whole_file import sync_folder, write_whole

EARLY = 60.0
"""Seconds before its end from which an access token is not used any more."""
RECONNECT_WAIT = 3600.0
"""Seconds until a refresh token that was refused is offered again: a person has to connect anew."""


class _Kept(msgspec.Struct, frozen=True):
    """What the file holds."""

    seed: str
    """Digest of the refresh token in the settings from which this line of tokens began."""
    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0


class _Granted(msgspec.Struct, frozen=True):
    """What the token endpoint answers with 200."""

    access_token: str
    expires_in: float
    refresh_token: str = ""


class RefreshToken:
    """Access tokens of one connection.

    Args:
        egress: bound to the token endpoint.
        file: where the newest refresh token is kept.
        client: OAuth client id and secret.
        first: the refresh token of the settings; a new one there replaces what the file holds.
        where: the setting that names the file, for errors.
        clock: seconds since 1970.

    Raises:
        InvalidConfiguration: the file cannot be used, is readable by others, or belongs to another route.
    """

    def __init__(
        self, egress: Egress, file: Path, *, client: tuple[str, str], first: str, where: str,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._egress = egress
        self._file = file
        self._basic = base64.b64encode(":".join(client).encode()).decode()
        self._clock = clock
        self._turn = asyncio.Lock()
        self._lock = -1
        seed = hashlib.sha256(first.encode()).hexdigest()
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = self._read(where)
        except BlockingIOError:
            self._release()
            raise InvalidConfiguration(
                "Another route uses this token file", where=where, fix="Give each route a file of its own."
            ) from None
        except OSError as error:
            self._release()
            raise InvalidConfiguration(
                f"The token file cannot be used: {error.strerror}", where=where, fix="Name a writable file."
            ) from None
        except InvalidConfiguration:
            self._release()
            raise
        self._kept = found if found is not None and found.seed == seed else _Kept(seed, first)

    def _read(self, where: str) -> _Kept | None:
        if not self._file.exists():
            return None
        if self._file.stat().st_mode & 0o077:
            raise InvalidConfiguration("The token file can be read by others", where=where, fix="chmod 600 it.")
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except msgspec.DecodeError:
            raise InvalidConfiguration(
                "The token file is damaged", where=where, fix="Delete it and set a new refresh token."
            ) from None

    async def bearer(self, refused: str = "") -> str:
        """An access token that is not ``refused``, fetched when there is none.

        Raises:
            SourceUnavailable: there is none to be had now; after an hour's wait when a person must connect anew.
            RateLimited: the token endpoint asks for patience.
        """
        async with self._turn:
            kept = self._kept
            if not kept.access_token or kept.access_token == refused or kept.expires_at - EARLY <= self._clock():
                await self._refresh(kept)
            return self._kept.access_token

    async def _refresh(self, kept: _Kept) -> None:
        form = urlencode({"grant_type": "refresh_token", "refresh_token": kept.refresh_token}).encode()
        headers = {
            "authorization": f"Basic {self._basic}", "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        where = self._egress.url.host or ""
        try:
            answer = await self._egress.post(form, headers)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise SourceUnavailable("The token endpoint cannot be reached", where=where) from None
        if answer.status in (400, 401):
            raise SourceUnavailable(
                "The refresh token is not valid any more", where=where, after=RECONNECT_WAIT,
                fix="Connect anew and set the new refresh token.",
            )  # fmt: skip
        if answer.status == 429:
            raise RateLimited("The token endpoint asks for patience", where=where, after=60.0)
        try:
            if answer.status != 200:
                raise ValueError
            granted = msgspec.json.decode(answer.body, type=_Granted)
        except ValueError:  # msgspec's errors are of this kind
            raise SourceUnavailable("The token endpoint gave no token", where=where) from None
        fresh = _Kept(
            kept.seed, granted.refresh_token or kept.refresh_token, granted.access_token,
            self._clock() + granted.expires_in,
        )  # fmt: skip
        await asyncio.to_thread(self._write, fresh)
        self._kept = fresh

    def _write(self, kept: _Kept) -> None:
        try:
            write_whole(self._file, msgspec.json.encode(kept))
            sync_folder(self._file.parent)
        except OSError as error:
            raise SourceUnavailable(f"The token file cannot be written: {error.strerror}", where="disk") from None

    async def close(self) -> None:
        """Close connections and give the file free."""
        await self._egress.close()
        self._release()

    def _release(self) -> None:
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
