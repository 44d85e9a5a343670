"""The consent of a clinic: a file with the refresh token, and access tokens made from it, one refresh at a time.

Access tokens live five minutes and refresh tokens half an hour; each refresh may give a new refresh token, and the old
one is worth nothing then. So the file is replaced and synced before the new token is used, and a lock beside it keeps
a second process from refreshing with the same token.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.settings import resolve_secret
from gateway.transport.http import HttpClient
from gateway.transport.whole_file import sync_folder, write_whole
from gateway_jane.config import JaneConfig

AGAIN = "Run `gateway jane connect SOURCE`, and let someone of the clinic agree."
_EARLY = 60.0
"""Seconds before its end that an access token is replaced."""
_TURN, _TURNS = 0.05, 1200


class Webhook(msgspec.Struct, frozen=True):
    """One registered topic; the secret was shown once."""

    topic: str
    id: str
    secret: str


class Kept(msgspec.Struct, frozen=True):
    """What the token file holds."""

    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0
    webhooks: tuple[Webhook, ...] = ()


class TokenFile:
    """One file, mode 0600, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Kept:
        """What is there now.

        Raises ``SourceUnavailable`` when nobody has connected the clinic yet, or the file is not this account's alone:
        that is one clinic's fault, found while all of them are served, and none of the others stops for it.
        """
        try:
            if self._path.stat().st_mode & 0o077:
                raise SourceUnavailable(
                    "The token file can be read by others",
                    where=self._path.name,
                    fix="chmod 600 it, then connect anew.",
                )
            return msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except PermissionError:
            fix = "Make the gateway's account its owner, or run `gateway jane connect` as that account."
            raise SourceUnavailable(
                "The token file belongs to another account", where=self._path.name, fix=fix
            ) from None
        except (OSError, msgspec.DecodeError):
            raise SourceUnavailable("The clinic is not connected yet", where=self._path.name, fix=AGAIN) from None

    def write(self, kept: Kept) -> None:
        """Replace the file and sync it, and the folder it is in."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(self._path, msgspec.json.encode(kept))
        sync_folder(self._path.parent)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the lock beside the file; no other task or process refreshes meanwhile."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            for _ in range(_TURNS):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_TURN)
            else:
                raise SourceUnavailable("Another process keeps the token file locked", where=self._path.name)
            yield
        finally:
            os.close(handle)


class Answered(msgspec.Struct, frozen=True):
    """What the token endpoint answers."""

    access_token: str
    expires_in: float
    refresh_token: str = ""


class Identity:
    """The identity provider of one realm over an open client."""

    def __init__(self, config: JaneConfig, client: HttpClient) -> None:
        self._config = config
        self._client = client
        self._base = f"{config.identity}/realms/{config.realm}/protocol/openid-connect"

    @property
    def authorize(self) -> URL:
        """Where the browser goes."""
        return URL(f"{self._base}/auth")

    async def token(self, form: Mapping[str, str]) -> Answered | None:
        """Ask for tokens; None when the grant is refused for good."""
        config = self._config
        if config.client_id is None or config.client_secret is None:
            raise InvalidConfiguration(
                "A token needs the partner's client id and secret", where="client_id", fix="Set both in the source."
            )
        secret, headers = resolve_secret(config.client_secret), {}
        sent = dict(form)
        if config.client_authentication == "basic":
            basic = base64.b64encode(f"{config.client_id}:{secret}".encode()).decode("ascii")
            headers = {"Authorization": f"Basic {basic}"}
        else:
            sent |= {"client_id": config.client_id, "client_secret": secret}
        answer = await self._client.request(
            "POST", URL(f"{self._base}/token"), expect={200, 400, 401}, headers=headers, form=sent
        )
        if answer.status != 200:
            return None
        try:
            return msgspec.json.decode(answer.body, type=Answered)
        except msgspec.DecodeError:
            raise SourceUnavailable("The identity provider answered something else than a token") from None


class Tokens:
    """The credential of the API: a current access token for this clinic."""

    def __init__(
        self, file: TokenFile, identity: Identity, clinic: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._identity = identity
        self._clinic = clinic
        self._clock = clock
        self._refused = ""
        self._current = ""

    async def headers(self) -> Mapping[str, str]:
        """The bearer token; made anew when the kept one ends within a minute or was refused."""
        kept = self._file.read()
        if not self._usable(kept):
            async with self._file.alone():
                kept = self._file.read()  # another may have been quicker
                if not self._usable(kept):
                    kept = await self._refresh(kept)
        self._current = kept.access_token
        return {"Authorization": f"Bearer {kept.access_token}"}

    def refused(self) -> bool:
        """Another token is made for the next attempt, once for each that was refused."""
        again = self._refused != self._current
        self._refused = self._current
        return again

    def _usable(self, kept: Kept) -> bool:
        fresh = kept.expires_at - self._clock() > _EARLY
        return bool(kept.access_token) and fresh and kept.access_token != self._refused

    async def _refresh(self, kept: Kept) -> Kept:
        form = {"grant_type": "refresh_token", "refresh_token": kept.refresh_token}
        answered = await self._identity.token(form)
        if answered is None:
            raise SourceUnavailable("The consent has ended", where="refresh token", fix=AGAIN)
        made = granted(answered, self._clinic, self._clock(), kept)
        await asyncio.to_thread(self._file.write, made)
        return made


def granted(answered: Answered, clinic: str, now: float, kept: Kept | None = None) -> Kept:
    """What to keep of an answer; raises ``SourceUnavailable`` when the token is for another clinic."""
    if clinic not in audience(answered.access_token):
        raise SourceUnavailable(
            "The consent is for another clinic", where="clinic", fix="Set clinic to the address of the one that agreed."
        )
    return Kept(
        refresh_token=answered.refresh_token or (kept.refresh_token if kept else ""),
        access_token=answered.access_token,
        expires_at=now + answered.expires_in,
        webhooks=kept.webhooks if kept else (),
    )


def audience(token: str) -> tuple[str, ...]:
    """For whom a token is meant: the claim ``aud``. It came from the issuer over TLS, so its signature is not asked."""
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        named = claims["aud"]
    except (ValueError, IndexError, KeyError, TypeError):
        raise SourceUnavailable("The identity provider gave a token without an audience", where="aud") from None
    return tuple(str(one).rstrip("/") for one in (named if isinstance(named, list) else [named]))
