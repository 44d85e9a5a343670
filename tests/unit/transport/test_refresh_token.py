"""The newest refresh token is on disk before its access token is used; a lost one waits for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.testing.simulated_oauth import SimulatedOAuth
from gateway.transport.egress import Egress
from gateway.transport.refresh_token import RefreshToken

Open = Callable[..., RefreshToken]


@asynccontextmanager
async def issuer(folder: Path) -> AsyncIterator[tuple[SimulatedOAuth, Open]]:
    oauth = SimulatedOAuth()
    app = web.Application()
    app.router.add_post("/token", oauth.token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"

    def opened(first: str = "refresh-0", clock: Callable[[], float] = lambda: 1000.0) -> RefreshToken:
        egress = Egress(url, allow_loopback=True)
        return RefreshToken(egress, folder / "t", client=oauth.client, first=first, where="token_file", clock=clock)

    try:
        yield oauth, opened
    finally:
        await runner.cleanup()


def test_many_askers_make_one_refresh(tmp_path: Path) -> None:
    """Side by side they get the same token; near its end, or once refused, there is another."""

    async def run() -> None:
        now = 1000.0
        async with issuer(tmp_path) as (oauth, opened):
            token = opened(clock=lambda: now)
            assert await asyncio.gather(*(token.bearer() for _ in range(5))) == ["access-1"] * 5
            assert await token.bearer(refused="access-1") == "access-2"
            now += oauth.lifetime - 30.0
            assert await token.bearer() == "access-3"
            await token.close()

    asyncio.run(run())


def test_the_next_process_goes_on_from_the_file(tmp_path: Path) -> None:
    """The issuer believes only the newest; a new one in the settings replaces what the file holds."""

    async def run() -> None:
        async with issuer(tmp_path) as (oauth, opened):
            first = opened()
            await first.bearer()
            await first.close()
            second = opened()
            assert await second.bearer(refused="access-1") == "access-2"
            await second.close()
            oauth.refresh_token = "connected-anew"
            third = opened("connected-anew")
            assert await third.bearer() == "access-3"
            await third.close()

    asyncio.run(run())


def test_an_access_token_is_not_used_before_the_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk refuses, nothing is handed out."""

    def refuse(path: Path, body: bytes) -> None:
        raise OSError(28, "No space left on device")

    async def run() -> None:
        async with issuer(tmp_path) as (_, opened):
            token = opened()
            monkeypatch.setattr("gateway.transport.refresh_token.write_whole", refuse)
            with pytest.raises(SourceUnavailable, match="cannot be written"):
                await token.bearer()
            await token.close()

    asyncio.run(run())


def test_a_refused_refresh_token_waits_for_a_person(tmp_path: Path) -> None:
    """An hour is asked for, and the error names the cure; damaged and open files are refused at the start."""

    async def run() -> None:
        async with issuer(tmp_path) as (oauth, opened):
            oauth.refresh_token = "someone-else-used-it"
            token = opened()
            with pytest.raises(SourceUnavailable, match="not valid any more") as caught:
                await token.bearer()
            assert caught.value.after == 3600.0
            await token.close()
            (tmp_path / "t").write_text("{")
            (tmp_path / "t").chmod(0o600)
            with pytest.raises(InvalidConfiguration, match="damaged"):
                opened()
            (tmp_path / "t").chmod(0o644)
            with pytest.raises(InvalidConfiguration, match="by others"):
                opened()

    asyncio.run(run())
