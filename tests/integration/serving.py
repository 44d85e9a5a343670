"""A gateway that answers over real HTTP: the real parts, served from a thread of their own."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.access import View
from gateway.access.views import built_in
from gateway.http import House, serve_http
from gateway.model.exchange import HookReceiver, HookRequest, HookResponse, Intake, Item
from gateway.settings import Http, People
from gateway.testing.ports import free_port
from gateway_webhook.plugin import WebhookSink
from tests.integration.parts import TENANT, VIEW, Parts

OPEN_SECONDS = 60.0
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """A server under test; ``get`` and ``post`` are real requests to it."""

    parts: Parts
    house: House
    url: str
    key: str = ""

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:  # fmt: skip
        """Send one request; an API key goes along when there is one."""
        held = self.key if key is None else key
        sent = {"Authorization": f"Bearer {held}"} if held else {}
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data=body, method=method, headers={**sent, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


@dataclass
class Kept:
    """A receiver of hooks that stores what it gets and remembers how it was asked."""

    requests: list[HookRequest] = field(default_factory=list)

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """Store the body as one message, then say so."""
        self.requests.append(request)
        item = Item(body=request.body, kind="told", control_id=f"hook-{len(self.requests)}", order_key=None)
        await intake.accept([item])
        return HookResponse(status=202, body=b"stored")


@contextmanager
def serving(
    parts: Parts,
    *,
    views: Mapping[str, View] | None = None,
    people: People | None = None,
    agreements: bool = False,
    hooks: Mapping[str, tuple[HookReceiver, Intake]] | None = None,
    ask_soon: Callable[[str], None] = lambda source: None,
    **settings: Any,
) -> Iterator[Served]:
    """Serve these parts until the end of the block; with ``agreements`` as production mode does."""
    config = Http(port=free_port(), **settings)
    house = House(
        config, [TENANT, "southside"], parts.store, parts.vault, parts.audit,
        {**built_in(), "plain": VIEW, **(views or {})},
        {"told": (Kept(), parts.receiver())} if hooks is None else hooks, ask_soon, lambda: parts.handoff.unsettled,
        people or People(), (), parts.sources, agreements=agreements, sampling=WebhookSink(),
    )  # fmt: skip
    opened = threading.Event()
    ended: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(loop)
        task.append(loop.create_task(serve_http(house, opened.set)))
        try:
            loop.run_until_complete(task[0])
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - the thread ends, and the test must hear why
            ended.append(error)
            opened.set()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert opened.wait(OPEN_SECONDS)
        assert not ended, ended
        yield Served(parts, house, f"http://127.0.0.1:{config.port}")
    finally:
        loop.call_soon_threadsafe(task[0].cancel)
        thread.join(OPEN_SECONDS)
        assert not thread.is_alive()
