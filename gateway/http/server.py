"""Serving: the ports, their TLS, and an orderly end, inside the gateway's own event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog
import uvicorn

from gateway.errors import InvalidConfiguration
from gateway.http.app import admin, public
from gateway.http.connection import CONNECTIONS_EACH, HEAD_SECONDS, Connection, Crowd
from gateway.http.fhir_index import SearchIndex
from gateway.http.guard import App
from gateway.http.house import House
from gateway.settings import Http
from gateway.transport.listener import Listener, bind

GRACE_SECONDS = 3
"""How long requests under way may take once the gateway is told to stop."""
HEADER_BYTES = 64 * 1024

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """One port. Signals are the gateway's own business, and so is who may connect."""

    def __init__(
        self, config: uvicorn.Config, tls: ssl.SSLContext | None, most: int, opened: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._tls = tls
        self._most = most
        self._opened = opened
        self._listener: Listener | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signal handlers as they are."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        crowd = Crowd(self.server_state, self._most)
        made = partial(Connection, crowd, config=self.config, server_state=self.server_state, app_state={})
        self._listener = Listener(
            sockets or (), made, crowd.admits, ssl=self._tls, backlog=self.config.backlog, handshake=HEAD_SECONDS
        )
        self.servers = []
        self.started = True
        self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, and let requests end."""
        if self._listener is not None:
            self._listener.close()
        await super().shutdown(sockets=sockets)


async def serve_http(house: House, opened: Callable[[], None]) -> None:
    """Answer on the public port, and on the admin port when there is one, until cancelled.

    Raises:
        InvalidConfiguration: a port is taken, or the certificate cannot be used.
    """
    settings = house.settings
    tls = _tls(settings)
    index = SearchIndex(house)
    ports = [(public(house, index), settings.host, settings.port, tls)]
    if settings.admin_port is not None:
        ports.append((admin(house), "127.0.0.1", settings.admin_port, None))
    waiting = len(ports)

    def one_open() -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            opened()

    bound = [(app, _bound(host, port), context) for app, host, port, context in ports]
    serving = [asyncio.ensure_future(_run(app, port, context, settings, one_open)) for app, port, context in bound]
    indexing = asyncio.ensure_future(index.run())
    try:
        ended, _ = await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
        for one in ended:
            one.result()
    finally:
        house.news.end()  # before the ports close: a reader that waits still gets its answer
        index.end()
        for one in serving:
            one.cancel()
        await asyncio.wait([*serving, indexing])


async def _run(
    app: App, sockets: list[socket.socket], tls: ssl.SSLContext | None, settings: Http, opened: Callable[[], None]
) -> None:
    config = uvicorn.Config(
        app, loop="none", http="h11", ws="none", lifespan="off", interface="asgi3", log_config=None, log_level=None,
        access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS, h11_max_incomplete_event_size=HEADER_BYTES,
        backlog=settings.concurrency,
    )  # fmt: skip
    server = Server(config, tls, settings.concurrency * CONNECTIONS_EACH, opened)
    log.info("http-listens", port=sockets[0].getsockname()[1])
    serving = asyncio.ensure_future(server.serve(sockets=sockets))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
    finally:
        for one in sockets:
            one.close()


def _bound(host: str, port: int) -> list[socket.socket]:
    try:
        return bind(host, port)
    except OSError as error:
        raise InvalidConfiguration(
            f"The port cannot be used: {type(error).__name__}", where=f"http: {host} port {port}",
            fix="Choose another, or end the process that has it.",
        ) from None  # fmt: skip


def _tls(settings: Http) -> ssl.SSLContext | None:
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfiguration(
            f"The certificate cannot be used: {type(error).__name__}", where="http.certificate",
            fix="Name PEM files of a certificate chain and its own key, readable by the gateway.",
        ) from None  # fmt: skip
    return context
