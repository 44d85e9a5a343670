from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web
from pydantic import ValidationError

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import API_VERSION, OpenSink
from gateway.model.exchange import HELD, Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway_webhook.config import WebhookConfig
from gateway_webhook.plugin import WebhookSink, gateway_sinks
from gateway_webhook.simulator import Fault, Receiver
from tests.measuring import least

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + "Q" * 44


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_OLD", OLD)
    monkeypatch.setenv("HOOK_NEW", NEW)


def delivery(number: int, order: str | None = None, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "key": f"key-{number}", "change": "updated", "type": "Appointment", "record_id": f"record-{order or number}",
        "order": order or f"order-{number}", "version": number, "at": "2026-07-14T09:00:00Z", "source": "north",
        "observed_at": "2026-07-14T08:59:59Z", "fields": ("start",), "body": b'{"start":"2026-07-20T09:00:00-05:00"}',
    }  # fmt: skip  # an envelope reads better packed
    return Delivery(**(values | changes))


def dispatch(*rows: Delivery) -> Dispatch:
    return Dispatch(id="d1", route="crm", deliveries=rows)


def sink_to(url: str, **changes: Any) -> OpenSink:
    settings: dict[str, Any] = {"url": url, "secrets": ("env:HOOK_OLD",), "allow_loopback": True, "timeout": 5.0}
    return WebhookSink().open("crm", WebhookConfig(**(settings | changes)))


@asynccontextmanager
async def meeting(
    folder: Path, known: tuple[str, ...] = (OLD,), **changes: Any
) -> AsyncIterator[tuple[OpenSink, Receiver]]:
    receiver = Receiver(folder / "ledger.ndjson", known)
    sink = sink_to(await receiver.start(), **changes)
    try:
        yield sink, receiver
    finally:
        await sink.close()
        await receiver.close()


def test_deliveries_arrive_once_and_are_receipted(tmp_path: Path) -> None:
    """Every delivery is one effect in the receiver's ledger, and a repeated dispatch makes no second one."""

    async def run() -> None:
        async with meeting(tmp_path) as (sink, receiver):
            work = dispatch(*(delivery(number) for number in range(50)))
            for _ in range(2):
                outcomes = await sink.deliver(work)
                assert all(isinstance(outcome, Delivered) for outcome in outcomes)
                assert all(outcome.receipt.startswith("202 msg_") for outcome in outcomes)  # type: ignore[union-attr]  # all are Delivered
            counts = receiver.counts
            assert (counts.effects, counts.repeats, counts.conflicts, counts.refused) == (50, 50, 0, 0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "first", "effects"),
    [
        ("reset", Retry("connection-broken"), 1),
        ("drop", Retry("connection-broken"), 0),
        ("error", Retry("http-500"), 1),
        ("late", Retry("timeout"), 1),
        ("redirect", Retry("http-302"), 0),
        ("gone", Rejected("endpoint-gone"), 0),
        ("reject", Rejected("http-422"), 0),
    ],
)
def test_each_fault_has_its_outcome_and_one_effect(tmp_path: Path, fault: Fault, first: Outcome, effects: int) -> None:
    """Whatever the receiver does, the outcome is right, and trying again leaves exactly one effect, same body."""

    async def run() -> None:
        async with meeting(tmp_path, timeout=3.0 if fault == "late" else 30.0) as (sink, receiver):
            receiver.fail(fault, seconds=6.0)
            work = dispatch(delivery(1))
            assert await sink.deliver(work) == [first]
            assert receiver.counts.effects == effects
            (again,) = await sink.deliver(work)
            assert isinstance(again, Delivered)
            assert (receiver.counts.effects, receiver.counts.repeats) == (1, effects)
            assert receiver.counts.conflicts == 0

    asyncio.run(run())


def test_a_storm_of_faults_ends_in_one_effect_each(tmp_path: Path) -> None:
    """Under 300 faults of every kind that may pass, retrying ends with one effect per delivery, bodies unchanged."""
    chance = random.Random(20260714)
    kinds: list[Fault] = ["reset", "drop", "error", "redirect", "busy"]

    async def run() -> None:
        async with meeting(tmp_path) as (sink, receiver):
            for _ in range(300):
                receiver.fail(chance.choice(kinds), seconds=0)
            waiting = [delivery(number, order=f"patient-{number % 25}") for number in range(100)]
            for _ in range(400):
                outcomes = await sink.deliver(dispatch(*waiting))
                waiting = [row for row, end in zip(waiting, outcomes, strict=True) if not isinstance(end, Delivered)]
                if not waiting:
                    break
            counts = receiver.counts
            assert waiting == []
            assert (counts.effects, counts.conflicts, counts.refused) == (100, 0, 0)
            assert counts.repeats > 50
            for patient in range(25):
                first = [
                    line.version for line in receiver.lines if not line.repeat and line.record.endswith(f"-{patient}")
                ]
                assert first == sorted(first)

    asyncio.run(run())


def test_a_receiver_that_asks_to_wait_is_left_alone(tmp_path: Path) -> None:
    """After 429 with a time nothing is sent until then, and every outcome says how long that is."""

    async def run() -> None:
        async with meeting(tmp_path, concurrency=1) as (sink, receiver):
            receiver.fail("busy", seconds=1)
            outcomes = await sink.deliver(dispatch(*(delivery(number) for number in range(20))))
            assert outcomes[0] == Retry("http-429", 1.0)
            for outcome in outcomes[1:]:
                assert isinstance(outcome, Retry)
                assert outcome.reason == "receiver-asked-to-wait"
                assert outcome.after is not None
                assert 0 < outcome.after <= 1
            assert receiver.counts.effects == 0
            await asyncio.sleep(1.1)
            (outcome,) = await sink.deliver(dispatch(delivery(0)))
            assert isinstance(outcome, Delivered)

    asyncio.run(run())


def test_one_order_goes_one_after_another(tmp_path: Path) -> None:
    """Changes of one order arrive in order although others go side by side."""

    async def run() -> None:
        async with meeting(tmp_path) as (sink, receiver):
            rows = [delivery(number, order=f"patient-{number % 7}") for number in range(140)]
            assert all(isinstance(outcome, Delivered) for outcome in await sink.deliver(dispatch(*rows)))
            for patient in range(7):
                versions = [line.version for line in receiver.lines if line.record == f"record-patient-{patient}"]
                assert versions == sorted(versions)
                assert len(versions) == 20

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["error", "reject", "drop"])
def test_what_follows_a_failure_is_held(tmp_path: Path, fault: Fault) -> None:
    """After a failed delivery the later ones of its order are not sent, and other orders are."""

    async def run() -> None:
        async with meeting(tmp_path, concurrency=1) as (sink, receiver):
            receiver.fail(fault)
            rows = (delivery(1, "a"), delivery(2, "b"), delivery(3, "a"), delivery(4, "a"), delivery(5, "b"))
            outcomes = await sink.deliver(dispatch(*rows))
            assert not isinstance(outcomes[0], Delivered)
            assert outcomes[2] == outcomes[3] == HELD
            assert isinstance(outcomes[1], Delivered)
            assert isinstance(outcomes[4], Delivered)
            assert {line.version for line in receiver.lines} - {1} == {2, 5}

    asyncio.run(run())


def test_secrets_rotate_without_a_gap(tmp_path: Path) -> None:
    """Signed with old and new, requests pass a receiver that knows only one of them; signed with neither, none does."""

    async def run() -> None:
        for known in (OLD, NEW):
            folder = tmp_path / known[-4:]
            folder.mkdir()
            async with meeting(folder, (known,), secrets=("env:HOOK_NEW", "env:HOOK_OLD")) as (sink, receiver):
                (outcome,) = await sink.deliver(dispatch(delivery(1)))
                assert isinstance(outcome, Delivered)
        async with meeting(tmp_path, (NEW,)) as (sink, receiver):
            assert await sink.deliver(dispatch(delivery(1))) == [Retry("http-401")]
            assert receiver.counts.refused == 1

    asyncio.run(run())


def test_nobody_there(tmp_path: Path) -> None:
    """A closed port, an unknown name or an inner address is tried again later, and nothing was sent."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        for url, reason in (
            (f"http://127.0.0.1:{port}/hook", "no-connection"),
            ("https://receiver.invalid/hook", "name-not-found"),
        ):
            sink = sink_to(url)
            assert await sink.deliver(dispatch(delivery(1))) == [Retry(reason)]
            await sink.close()
        sink = sink_to("https://localhost:1/hook", allow_loopback=False)
        assert await sink.deliver(dispatch(delivery(1))) == [Retry("address-not-public")]
        await sink.close()

    asyncio.run(run())


def test_plain_text_behind_https_is_a_tls_failure(tmp_path: Path) -> None:
    """A receiver that does not speak TLS on an https URL gets no request."""

    async def run() -> None:
        receiver = Receiver(tmp_path / "ledger.ndjson", (OLD,))
        sink = sink_to((await receiver.start()).replace("http:", "https:"))
        assert await sink.deliver(dispatch(delivery(1))) == [Retry("tls-failed")]
        assert receiver.counts.effects == receiver.counts.refused == 0
        await sink.close()
        await receiver.close()

    asyncio.run(run())


def test_one_hanging_request_does_not_stop_the_others(tmp_path: Path) -> None:
    """While one request hangs, the deliveries of other orders are answered."""

    async def run() -> None:
        async with meeting(tmp_path, timeout=2.0, concurrency=4) as (sink, receiver):
            receiver.fail("late", seconds=4.0)
            outcomes = await sink.deliver(dispatch(*(delivery(number) for number in range(40))))
            assert outcomes.count(Retry("timeout")) == 1
            assert sum(isinstance(outcome, Delivered) for outcome in outcomes) == 39

    asyncio.run(run())


def test_a_slow_receiver_does_not_hold_a_dispatch_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a dispatch has taken long enough, what was done is reported and the rest is to be tried again."""
    monkeypatch.setattr("gateway.transport.in_order.ENOUGH", 0.5)

    async def run() -> None:
        async with meeting(tmp_path, concurrency=2) as (sink, receiver):
            receiver.fail("late", times=20, seconds=0.2)
            outcomes = await sink.deliver(dispatch(*(delivery(number) for number in range(20))))
            done = sum(isinstance(outcome, Delivered) for outcome in outcomes)
            assert done + outcomes.count(Retry("receiver-too-slow")) == 20
            assert receiver.counts.effects == done
            assert 2 <= done <= 8

    asyncio.run(run())


def test_concurrency_is_bounded(tmp_path: Path) -> None:
    """There are never more requests at one time than the setting allows, over dispatches too."""
    running, most = 0, 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        return web.Response()

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sink = sink_to(f"http://127.0.0.1:{runner.addresses[0][1]}/", concurrency=3)
        rows = [delivery(number) for number in range(60)]
        await asyncio.gather(sink.deliver(dispatch(*rows[:30])), sink.deliver(dispatch(*rows[30:])))
        await sink.close()
        await runner.cleanup()

    asyncio.run(run())
    assert most == 3


def test_probing_is_posting_again(tmp_path: Path) -> None:
    """The receiver knows the repeat, so a probe answers what really happened."""

    async def run() -> None:
        async with meeting(tmp_path) as (sink, receiver):
            await sink.deliver(dispatch(delivery(1)))
            assert isinstance(await sink.probe(delivery(1)), Delivered)
            assert (receiver.counts.effects, receiver.counts.repeats) == (1, 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    "changes",
    [{"secrets": ()}, {"secrets": (OLD,)}, {"timeout": 31}, {"concurrency": 0}, {"payload": "fat"}, {"uri": "x"}],
)
def test_misspelt_settings_are_refused(changes: dict[str, Any]) -> None:
    """A secret in plain text, a missing one, or a value out of range is a mistake, told without the value."""
    with pytest.raises(ValidationError) as caught:
        WebhookConfig(**({"url": "https://receiver.example/", "secrets": ("env:HOOK_OLD",)} | changes))
    assert OLD not in str(caught.value)


def test_settings_are_checked_when_the_route_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private URL or an unset secret stops the route at start, with its place."""
    with pytest.raises(InvalidConfiguration) as caught:
        sink_to("https://10.0.0.1/hook")
    assert caught.value.where == "routes.crm.url"
    monkeypatch.delenv("HOOK_OLD")
    with pytest.raises(InvalidConfiguration):
        sink_to("https://receiver.example/hook")


def test_the_plugin_declares_itself() -> None:
    """The hook offers one sink with a native key for this contract."""
    (sink,) = gateway_sinks()
    assert (sink.info.name, sink.info.api, sink.info.idempotency) == ("webhook", API_VERSION, "native-key")


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_eight_hundred_deliveries_a_second(tmp_path: Path, factory: Any) -> None:
    """Sink and receiver, which syncs its own ledger, need a second of one processor for 800 deliveries at most."""

    with asyncio.Runner(loop_factory=factory) as runner:
        meet = meeting(tmp_path, concurrency=64)
        sink, receiver = runner.run(meet.__aenter__())
        turns = itertools.count()

        def delivered() -> None:
            first = next(turns) * 200
            outcomes = runner.run(sink.deliver(dispatch(*(delivery(first + number) for number in range(200)))))
            assert all(isinstance(outcome, Delivered) for outcome in outcomes)

        took = least(delivered, enough=200 / 800)
        assert receiver.counts.effects == next(turns) * 200
        runner.run(meet.__aexit__(None, None, None))
    print(f"webhook sink: {200 / took:,.0f} deliveries/s")
    assert took <= 200 / 800
