"""witness: a small process for another host that keeps signed heads of audit logs and refuses rewritten ones."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from gateway.audit.witness_service import MOST_BYTES, Said, WitnessService
from gateway.cli.printing import JsonOption, as_json
from gateway.errors import InvalidConfiguration
from gateway.settings import is_loopback_host
from gateway.transport.listener import Listener, bind

MOST = 64
"""Connections at one time. A gateway makes one for each head; who says nothing goes first when more come."""
_BACKLOG = 128
VISIT_SECONDS = 10.0
"""From connecting to the end of the answer."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(witness)


def witness(
    file: Annotated[Path, typer.Option("--file", help="Where heads are kept; the file only grows.")],
    key: Annotated[list[str], typer.Option("--key", help="A log's verifier key, as `gateway audit keys` shows it.")],
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:8099",
    certificate: Annotated[Path | None, typer.Option(help="PEM file of the certificate and its chain.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's private key.")] = None,
    json_: JsonOption = False,
) -> None:
    """Keep signed heads of audit logs; run it on another host, under another account. It needs no gateway.toml."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidConfiguration("This is not HOST:PORT", where="--listen", fix="Write 127.0.0.1:8099.")
    tls = server_tls(host, certificate, private_key)
    service = WitnessService(file, key)

    def listening(url: str) -> None:
        if json_:
            as_json({"listening": url})
        else:
            typer.echo(f"listening on {url}", err=True)

    async def main() -> None:
        task = asyncio.ensure_future(serve(service, host.strip("[]"), int(port), tls, listening))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())


def server_tls(host: str, certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    """TLS of the listener; off this machine it must be there."""
    if certificate is None or private_key is None:
        if is_loopback_host(host.strip("[]")) and certificate is None and private_key is None:
            return None
        raise InvalidConfiguration(
            "An address off this machine needs certificate and private key", where="--certificate, --private-key",
            fix="Name both, or listen on 127.0.0.1.",
        )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, private_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(
            f"The certificate cannot be used: {type(error).__name__}",
            where="--certificate",
            fix="Name a PEM file with its chain, and the private key that belongs to it.",
        ) from None  # fmt: skip
    return context


async def serve(
    service: WitnessService, host: str, port: int, tls: ssl.SSLContext | None, opened: Callable[[str], None]
) -> None:
    """Answer until cancelled: ``POST /add-checkpoint`` and ``GET /newest?origin=...``."""

    async def add(request: web.Request) -> web.Response:
        return _answer(await asyncio.to_thread(service.add, await request.read()))

    async def newest(request: web.Request) -> web.Response:
        return _answer(service.newest(request.query.get("origin", "")))

    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post("/add-checkpoint", add)
    app.router.add_get("/newest", newest)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    listener: Listener | None = None
    try:
        sockets = await asyncio.to_thread(bind, host, port)
        listener = Listener(sockets, _visitors(runner), _admits, backlog=_BACKLOG, ssl=tls, handshake=VISIT_SECONDS)
        scheme = "http" if tls is None else "https"
        opened(f"{scheme}://{host if ':' not in host else f'[{host}]'}:{listener.port}")
        await asyncio.Event().wait()
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()


def _admits(peer: object, descriptor: int) -> bool:
    """Anybody may ask: what counts is who signed, and ``MOST`` bounds how many are here."""
    del peer, descriptor
    return True


def _visitors(runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    """Makes what speaks with one visitor; it goes when its time is over, or when many came after it."""
    here: dict[web.RequestHandler, None] = {}

    def ended(one: web.RequestHandler) -> None:
        here.pop(one, None)
        one.force_close()

    def made() -> asyncio.Protocol:
        if runner.server is None:
            raise RuntimeError("the runner was not set up")
        one = runner.server()
        here[one] = None
        if len(here) > MOST:
            ended(next(iter(here)))
        asyncio.get_running_loop().call_later(VISIT_SECONDS, ended, one)
        return one

    return made


def _answer(said: Said) -> web.Response:
    kind = "text/x.tlog.size" if said.status == 409 else "text/plain"
    answer = web.Response(status=said.status, text=said.text, content_type=kind)
    answer.force_close()  # a connection that is kept would end just when the next head comes
    return answer
