"""The HTTP client against a real server on loopback that limits, breaks and lies on demand."""

from __future__ import annotations

import asyncio
import json
import time

import msgspec
import pytest
from aiohttp import web
from yarl import URL

from gateway.errors import InvalidConfiguration, RateLimited, SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import SimulatedApi
from gateway.transport.budget import RateWindow
from gateway.transport.http import HttpClient, HttpLimits
from tests.waiting import PATIENCE

PLENTY = RateBudget(requests=1000, seconds=1.0)
decode = msgspec.json.Decoder(dict[str, int]).decode


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Things(SimulatedApi):
    """One JSON resource, and some places that misbehave."""

    def routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/thing/{id}", self._thing)
        router.add_get("/away", self._away)
        router.add_get("/large", self._large)
        router.add_get("/asks", self._asks)
        router.add_get("/slow", self._slow)
        router.add_get("/shape", self._shape)
        router.add_get("/private", self._private)
        router.add_route("*", "/echo", self._echo)
        router.add_get("/token", self._token)

    def refusal(self, request: web.Request) -> None:
        return None

    async def _thing(self, request: web.Request) -> web.Response:
        return web.json_response({"n": 7})

    async def _away(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/other"})

    async def _large(self, request: web.Request) -> web.Response:
        return web.json_response({"n" * 100_000: 1})

    async def _asks(self, request: web.Request) -> web.Response:
        return web.json_response({}, status=429, headers=dict(json.loads(request.query["headers"])))

    async def _slow(self, request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.json_response({})

    async def _echo(self, request: web.Request) -> web.Response:
        told = {"method": request.method, "kind": request.content_type, "body": (await request.read()).decode()}
        return web.json_response(told, status=202, headers={"Content-Location": "/later"})

    async def _token(self, request: web.Request) -> web.Response:
        good = request.headers.get("Authorization") == "Bearer second"
        return web.json_response({"n": 1} if good else {"why": "Jane Roe"}, status=200 if good else 401)

    async def _shape(self, request: web.Request) -> web.Response:
        return web.json_response({"n": "SECRET-NAME"})

    async def _private(self, request: web.Request) -> web.Response:
        return web.json_response({"patient": "SECRET-NAME"}, status=403)


def ask(path: str, *, budget: RateBudget = PLENTY, prepare=None, clock: Clock | None = None, **limits):
    """One GET against a fresh server; returns (answer or error, server, clock)."""

    async def run():
        server, ticks = Things(budget), clock or Clock()
        await server.start()
        if prepare:
            prepare(server)
        try:
            async with HttpClient(
                [server.base_url], budget=PLENTY, limits=HttpLimits(**limits), clock=ticks, sleep=ticks.sleep,
                wall=lambda: 5_000.0, jitter=lambda: 1.0,
            ) as client:  # fmt: skip
                try:
                    return await client.get(URL(server.base_url + path), decode), server, ticks
                except (SourceUnavailable, InvalidConfiguration) as error:
                    return error, server, ticks
        finally:
            await server.stop()

    return asyncio.run(run())


@pytest.mark.parametrize("fault", ["429", "500", "html", "half-body"])
def test_passing_faults_are_tried_again(fault: str) -> None:
    """Two bad answers in a row cost time and nothing else."""
    answer, server, _ = ask("/thing/1", prepare=lambda server: server.fail(fault, 2), attempts=3)
    assert answer == {"n": 7}
    assert sum(server.answered.values()) == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("429", "budget"),
        ("500", "status 500"),
        ("html", "text/html instead of JSON"),
        ("half-body", "within an answer"),
    ],
)
def test_lasting_faults_end_with_a_reason(fault: str, says: str) -> None:
    """After the last attempt the error says what was wrong, without the query or an id of the path."""
    answer, server, _ = ask("/thing/990077?name=SECRET", prepare=lambda server: server.fail(fault, 99), attempts=3)
    assert isinstance(answer, SourceUnavailable)
    assert says in str(answer)
    assert "SECRET" not in str(answer)
    assert "990077" not in str(answer)
    assert sum(server.answered.values()) == 3


def test_backoff_doubles_up_to_its_cap() -> None:
    """Waits grow by powers of two, are bounded, and jitter scales them (here by its top)."""
    _, _, clock = ask(
        "/thing/1", prepare=lambda server: server.fail("500", 99), attempts=6, backoff=1.0, backoff_cap=5.0
    )
    assert clock.slept == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"X-RateLimit-Reset": "5030"}, 31.0),
        ({"X-RateLimit-Reset": "5030", "Retry-After": "3"}, 31.0),
        ({"Retry-After": "9"}, 10.0),
        ({"Retry-After": "Thu, 01 Jan 1970 01:23:40 GMT"}, 21.0),
        ({"X-RateLimit-Reset": "99999999999"}, 60.0),
        ({"X-RateLimit-Reset": "4000"}, 0.5),
        ({"Retry-After": "soon"}, 0.5),
        ({}, 0.5),
    ],
)
def test_the_wait_a_peer_asks_for_is_obeyed_within_reason(headers: dict[str, str], waits: float) -> None:
    """The reset time counts before Retry-After; a far one is capped, a past or unreadable one is no advice."""
    path = f"/asks?headers={json.dumps(headers)}"
    answer, _, clock = ask(path, attempts=2, pause_cap=60.0)
    assert isinstance(answer, RateLimited)
    assert clock.slept == [waits]


def test_the_peers_clock_is_read_from_its_answers() -> None:
    """How early it is, to a second or two, by the latest answer; nothing is known before there is one."""

    async def run() -> list[float | None]:
        server, known = Things(PLENTY), []
        base = await server.start()
        try:
            async with HttpClient([base], budget=PLENTY) as client:
                known.append(client.skew)
                for skew in (-3600.0, 1800.0):
                    server.skew = skew
                    await client.get(URL(f"{base}/thing/1"), decode)
                    known.append(client.skew)
        finally:
            await server.stop()
        return known

    first, late, early = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert first is None
    assert late == pytest.approx(-3600.0, abs=5.0)
    assert early == pytest.approx(1800.0, abs=5.0)


def test_redirects_are_not_followed() -> None:
    """A redirect is an error at once: no credential reaches another host."""
    answer, server, _ = ask("/away")
    assert "redirect" in str(answer)
    assert server.answered == {302: 1}


def test_an_answer_has_a_size_limit() -> None:
    """An endless answer stops being read at the limit."""
    answer, _, _ = ask("/large", max_bytes=10_000)
    assert "more than 10000 bytes" in str(answer)


def test_a_slow_answer_times_out() -> None:
    """A peer that hangs costs the configured time per attempt."""
    began = time.monotonic()
    answer, _, _ = ask("/slow", total=0.1, attempts=2)
    assert "did not answer in time" in str(answer)
    assert time.monotonic() - began < 30


def test_wrong_shape_and_refusal_are_not_repeated_and_hold_no_value() -> None:
    """JSON of another shape and a refused credential are told at once, without a byte of the answer."""
    for path, says in (("/shape", "another shape"), ("/private", "refused the credential")):
        answer, server, _ = ask(path)
        assert says in str(answer)
        assert "SECRET" not in str(answer)
        assert sum(server.answered.values()) == 1


def test_only_configured_origins_are_asked() -> None:
    """A URL of another host or port never leaves the process."""

    async def run() -> None:
        async with HttpClient(["https://api.example.com"], budget=PLENTY) as client:
            for url in ("https://api.example.com:444/x", "http://api.example.com/x", "https://evil.example.com/x"):
                with pytest.raises(InvalidConfiguration):
                    await client.get(URL(url), decode)

    asyncio.run(run())


@pytest.mark.parametrize(
    "origin", ["http://api.example.com", "ftp://127.0.0.1", "nonsense", "http://127.0.0.1.evil.com"]
)
def test_plain_http_is_for_loopback_only(origin: str) -> None:
    """A configuration that would send a credential in clear text is refused."""
    with pytest.raises(InvalidConfiguration):
        HttpClient([origin], budget=PLENTY)


def test_an_unreachable_peer_is_unavailable() -> None:
    """A refused connection is tried again and then told."""

    async def run() -> SourceUnavailable:
        clock = Clock()
        limits = HttpLimits(attempts=2)
        async with HttpClient(["http://127.0.0.1:9"], budget=PLENTY, limits=limits, sleep=clock.sleep) as client:
            with pytest.raises(SourceUnavailable) as caught:
                await client.get(URL("http://127.0.0.1:9/x"), decode)
            return caught.value

    told = asyncio.run(run())
    assert "cannot be reached" in str(told)
    assert "whether the system is up" in told.fix


def test_a_window_never_holds_more_than_the_budget() -> None:
    """However long requests take, the peer counts at most the budget in any window it may choose."""

    async def run() -> list[tuple[float, float]]:
        clock, spans = Clock(), []
        window = RateWindow(RateBudget(requests=3, seconds=10.0), clock=clock, sleep=clock.sleep)
        for number in range(20):
            async with window.slot():
                began = clock.now
                await clock.sleep((number * 7) % 4)
                spans.append((began, clock.now))
        return spans

    spans = asyncio.run(run())
    for (began, _), (_, later_ended) in zip(spans, spans[3:], strict=False):
        assert later_ended - began >= 10.0
    for (_, ended), (later_began, _) in zip(spans, spans[3:], strict=False):
        assert later_began - ended >= 10.0


def test_a_server_that_counts_never_has_to_refuse() -> None:
    """Sixty requests at once against a real limit of twenty per half second: none gets 429."""

    async def run() -> tuple[Things, float]:
        budget = RateBudget(requests=20, seconds=0.5)
        server = Things(budget)
        await server.start()
        began = time.monotonic()
        async with HttpClient([server.base_url], budget=budget) as client:
            url = URL(server.base_url + "/thing/1")
            await asyncio.gather(*(client.get(url, decode) for _ in range(60)))
        took = time.monotonic() - began
        await server.stop()
        return server, took

    server, took = asyncio.run(run())
    assert server.answered == {200: 60}
    assert took >= 1.0


class Renewed:
    """A credential whose first token is refused."""

    def __init__(self) -> None:
        self.tokens = ["first", "second"]

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[0]}"}

    def refused(self) -> bool:
        return self.tokens.pop(0) == "first"


async def started() -> Things:
    things = Things(PLENTY)
    await things.start()
    return things


def test_other_requests_carry_their_body_and_bring_status_and_headers() -> None:
    """A form, JSON and a DELETE reach the peer as such; an expected status is an answer, another one an error."""

    async def run() -> None:
        things = await started()
        url = URL(things.base_url) / "echo"
        async with HttpClient([things.base_url], budget=PLENTY) as client:
            form = await client.request("POST", url, expect=(202,), form={"a": "1"})
            assert (form.status, form.headers["content-location"]) == (202, "/later")
            assert json.loads(form.body) == {
                "method": "POST", "kind": "application/x-www-form-urlencoded", "body": "a=1",
            }  # fmt: skip
            sent = await client.request("POST", url, expect=(202,), json=b"{}")
            assert json.loads(sent.body)["kind"] == "application/json"
            assert json.loads((await client.request("DELETE", url, expect=(202,))).body)["method"] == "DELETE"
            with pytest.raises(SourceUnavailable, match="status 202"):
                await client.request("GET", url, expect=(200,))
        await things.stop()

    asyncio.run(run())


def test_a_stream_gives_pieces_and_fails_as_a_request_does() -> None:
    """An answer larger than the limit of one request can be streamed; an error status is told before any piece."""

    async def run() -> None:
        things = await started()
        async with HttpClient([things.base_url], budget=PLENTY, limits=HttpLimits(max_bytes=1000)) as client:
            async with client.stream(URL(things.base_url) / "large", headers={}) as pieces:
                assert sum([len(piece) async for piece in pieces]) > 100_000
            with pytest.raises(SourceUnavailable, match="status 404"):
                async with client.stream(URL(things.base_url) / "nowhere", headers={}):
                    pass
        await things.stop()

    asyncio.run(run())


def test_a_refused_credential_is_replaced_once() -> None:
    """After a 401 the next attempt shows what the credential then gives out; when nothing is left, it is an error."""

    async def run() -> None:
        things = await started()
        url = URL(things.base_url) / "token"
        quick = HttpLimits(backoff=0.01)
        async with HttpClient([things.base_url], budget=PLENTY, credential=Renewed(), limits=quick) as client:
            assert await client.get(url, decode) == {"n": 1}
        async with HttpClient([things.base_url], budget=PLENTY, limits=quick) as client:
            with pytest.raises(SourceUnavailable, match="refused the credential") as refused:
                await client.get(url, decode)
            assert "Roe" not in str(refused.value)
        await things.stop()

    asyncio.run(run())


def test_a_peers_own_words_can_be_explained() -> None:
    """What a 4xx says in the peer's protocol becomes the error; what cannot be read leaves the status."""

    async def run() -> None:
        things = await started()
        url = URL(things.base_url) / "nowhere"

        def explain(body: bytes) -> SourceUnavailable | None:
            return SourceUnavailable("No such thing", where="thing") if b"Not" in body else None

        async with HttpClient([things.base_url], budget=PLENTY, explain=explain) as client:
            with pytest.raises(SourceUnavailable, match="No such thing"):
                await client.get(url, decode)
        async with HttpClient([things.base_url], budget=PLENTY, explain=lambda _: None) as client:
            with pytest.raises(SourceUnavailable, match="status 404"):
                await client.get(url, decode)
        await things.stop()

    asyncio.run(run())
