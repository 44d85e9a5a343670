"""Subscriptions: a client asks over HTTP, is told by the delivery engine, and its end is the end of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.access import built_in, scopes
from gateway.flow import subscriptions as flow
from gateway.flow.clock import micros
from gateway.flow.disclosed import accounting
from gateway.flow.route import Filter
from gateway.flow.subscriptions import OVERLAP_MICROS, Subscriptions, secret
from gateway.http import directory
from gateway.model.exchange import Retry
from gateway.store import clients, deliveries
from gateway.store import subscriptions as stored
from gateway.testing.ports import free_port
from gateway_webhook.plugin import WebhookSink
from gateway_webhook.simulator import Receiver
from tests.integration.outcomes import Crash
from tests.integration.parts import FAR, TENANT, VIEW, Parts, Written, appointment, deliver_all, message, patient
from tests.integration.serving import Served, serving
from tests.integration.test_flow_doubt import Crashing
from tests.integration.test_http_feed import add_client
from tests.waiting import until, wait_until

HOSTS = json.dumps(["127.0.0.1"])


@pytest.fixture
def served(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server with a client that may name this machine."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    monkeypatch.setattr(flow, "LOOK_SECONDS", 0.05)
    parts.take(message(patient("p1", "A")))
    with serving(parts, hook_loopback=True) as running:
        running.key = add_client(parts, hook_hosts=HOSTS)[1]
        yield running


def post(served: Served, path: str, body: Any) -> Any:
    return served.ask(path, method="POST", body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


class Counted(Subscriptions):
    """The engine, and how often it has looked."""

    looks = 0

    async def _look(self) -> None:
        await super()._look()
        self.looks += 1


def closed(parts: Parts) -> None:
    """Wait until every subscription that ended is closed."""
    wait_until(lambda: not parts.store.read_sync(stored.unclosed)[1])


class Push:
    """The engine for subscriptions, and a receiver on this machine."""

    def __init__(self, parts: Parts, ledger: Path, keys: list[str], port: int, **settings: Any) -> None:
        self.parts = parts
        self.receiver = Receiver(ledger, keys)
        self.port = port
        sink = WebhookSink()
        views = {**built_in(), "plain": VIEW}
        served = (sink, sink.info)
        self.engine = Counted(parts.store, parts.vault, parts.audit, views, served, [], loopback=True, **settings)

    def had(self, effects: int) -> bool:
        """Whether so many effects have come."""
        return self.receiver.counts.effects >= effects

    def until(self, *steps: Callable[[], Any], met: Callable[[], bool] = lambda: True) -> None:
        """Run the engine; each step is done, then a number of effects it names is waited for, and in the end ``met``.

        After that the engine has looked twice more.
        """

        async def run() -> None:
            await self.receiver.start(self.port)
            task = asyncio.create_task(self.engine.run())
            try:
                for step in steps:
                    wanted = await asyncio.to_thread(step)
                    await until(partial(self.had, wanted))
                await until(met)
                seen = self.engine.looks
                await until(lambda: self.engine.looks >= seen + 2)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await self.receiver.close()

        asyncio.run(run())


def sent(parts: Parts, native_id: str = "p1") -> list[tuple[str, tuple[str, ...]]]:
    """The patient's disclosure list: by which door, and which fields."""
    wanted = parts.record("Patient", native_id)
    found = parts.store.read_sync(lambda c: list(accounting(c, TENANT, wanted, 0, micros())))
    return [(one.route, one.fields) for one in found]


def test_a_hook_is_told_of_changes_and_so_is_the_disclosure_list(parts: Parts, served: Served, tmp_path: Path) -> None:
    """What follows the subscription is posted, signed by the secret that was shown, and disclosed; no more after."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "types": ["Patient"]})
    assert made.status == 201
    push = Push(parts, tmp_path / "ledger", [made.json["secret"]], port)

    def changed() -> int:
        parts.take(message(patient("p1", "B")), message(appointment("a1", "p1")))
        return 1

    def ended() -> int:
        assert served.ask(f"/v1/hooks/{made.json['id']}", method="DELETE").status == 204
        closed(parts)
        parts.take(message(patient("p1", "C")))
        return 1

    push.until(changed, ended)
    assert [line.type for line in push.receiver.lines] == ["patient.updated"]
    assert push.receiver.counts.refused == 0
    assert sent(parts) == [(f"hook-{made.json['id']}", ("name",))]
    assert served.ask("/v1/hooks").json == {"hooks": []}
    assert parts.ledger().problems == []


def test_an_endpoint_that_is_gone_ends_its_subscription(parts: Parts, served: Served, tmp_path: Path) -> None:
    """After a 410 nothing more is posted or pending; the client sees no subscription, and another is served on."""
    port, other = free_port(), free_port()
    gone = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "types": ["Patient"]}).json
    push = Push(parts, tmp_path / "ledger", [gone["secret"]], port)
    push.receiver.fail("gone", times=100)

    def changed() -> int:
        parts.take(message(patient("p1", "B")), message(patient("p2", "A")), message(patient("p3", "A")))
        return 0

    push.until(changed, met=lambda: served.ask("/v1/hooks").json == {"hooks": []})
    closed_now = parts.store.read_sync(stored.unclosed)
    assert closed_now == ([], [])
    parts.take(message(patient("p1", "C")))
    assert pending(parts, f"hook-{gone['id']}")[0] == 0
    assert push.receiver.counts.effects == 0
    kept = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{other}/hook"}).json
    again = Push(parts, tmp_path / "again", [kept["secret"]], other)

    def more() -> int:
        parts.take(message(patient("p1", "D")))
        return 1

    again.until(more)
    assert [one["id"] for one in served.ask("/v1/hooks").json["hooks"]] == [kept["id"]]


def test_the_operator_says_how_often_an_endpoint_is_tried(parts: Parts, served: Served, tmp_path: Path) -> None:
    """After the steps of the settings a change is in quarantine, and nothing of the subscription is pending."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "types": ["Patient"]}).json
    push = Push(parts, tmp_path / "ledger", [made["secret"]], port, schedule=(0.05, 0.05))
    push.receiver.fail("error", times=100)
    route = f"hook-{made['id']}"

    def changed() -> int:
        parts.take(message(patient("p1", "B")))
        return 0

    push.until(changed, met=lambda: bool(parts.store.read_sync(lambda c: deliveries.quarantined(c, TENANT, route))))
    (held,) = parts.store.read_sync(lambda c: deliveries.quarantined(c, TENANT, route))
    assert held.reason.startswith("gave-up:")
    assert pending(parts, route)[0] == 0


def test_a_revoked_client_is_told_no_more(parts: Parts, served: Served, tmp_path: Path) -> None:
    """Within a look of the engine after the client is revoked nothing of it is sent any more."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "payload": "thin"}).json
    push = Push(parts, tmp_path / "ledger", [made["secret"]], port)

    def first() -> int:
        parts.take(message(patient("p1", "B")))
        return 1

    def revoked() -> int:
        (row,) = parts.store.read_sync(clients.everyone)
        parts.store.write_sync(lambda c: clients.revoke(c, row.client, micros()))
        closed(parts)
        parts.take(message(patient("p1", "C")))
        return 1

    push.until(first, revoked)
    assert push.receiver.counts.effects == 1
    assert sent(parts) == [(f"hook-{made['id']}", ("id",))]


def test_a_rotated_secret_signs_with_the_old_one_for_a_day(parts: Parts, served: Served, tmp_path: Path) -> None:
    """A receiver that knows only the old secret still believes what comes, and after a day it does not."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook"}).json
    new = post(served, f"/v1/hooks/{made['id']}/rotate", {}).json
    assert made["secret"] == secret(parts.vault, TENANT, made["id"], 0) != new["secret"]
    for number, key in enumerate((made["secret"], new["secret"])):
        push = Push(parts, tmp_path / f"ledger{number}", [key], port)
        parts.take(message(patient("p1", f"B{number}")))
        push.until(lambda: 1)
        assert push.receiver.counts.refused == 0
    long_ago = micros() - OVERLAP_MICROS - 1
    parts.store.write_sync(lambda c: stored.rotate(c, TENANT, made["id"], long_ago))
    push = Push(parts, tmp_path / "ledger9", [new["secret"]], port)
    parts.take(message(patient("p1", "B9")))
    push.until(lambda: 0, met=lambda: push.receiver.counts.refused > 0)
    assert push.receiver.counts.effects == 0


def test_a_fhir_subscription_is_an_empty_notification(parts: Parts, served: Served, tmp_path: Path) -> None:
    """A rest-hook without payload posts that something changed, with the header its endpoint wants, and is deleted."""
    port = free_port()
    channel = {
        "type": "rest-hook", "endpoint": f"http://127.0.0.1:{port}/hook", "header": ["Authorization: Bearer zzz-token"]
    }  # fmt: skip
    asked = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "r",
        "criteria": "Patient?",
        "channel": channel,
    }
    made = post(served, "/fhir/Subscription", asked)
    shown = {"type": "rest-hook", "endpoint": channel["endpoint"]}
    assert (made.status, made.json["status"], made.json["channel"]) == (201, "active", shown)
    assert b"zzz" not in made.body
    assert "zzz" not in str(parts.store.read_sync(lambda c: [tuple(row) for row in stored.unclosed(c)[0]]))
    id = made.json["id"]
    assert made.headers["Location"].endswith(f"/fhir/Subscription/{id}")
    push = Push(parts, tmp_path / "ledger", [secret(parts.vault, TENANT, id, 0)], port)
    push.receiver.authorization = "Bearer zzz-token"

    def changed() -> int:
        parts.take(message(patient("p1", "B")))
        return 1

    push.until(changed, met=lambda: bool(sent(parts)))
    assert [line.type for line in push.receiver.lines] == [""]
    assert sent(parts) == [(f"hook-{id}", ())]
    assert served.ask(f"/fhir/Subscription/{id}").json["criteria"] == "Patient?"
    assert id in [entry["resource"]["id"] for entry in served.ask("/fhir/Subscription").json["entry"]]
    assert served.ask(f"/fhir/Subscription/{id}", method="HEAD").status == 200
    assert served.ask(f"/v1/hooks/{id}", method="DELETE").status == 404
    assert served.ask(f"/fhir/Subscription/{id}", method="DELETE").status == 204
    assert served.ask(f"/fhir/Subscription/{id}").status == 404


def test_only_registered_public_addresses_are_taken(served: Served) -> None:
    """Any other host, a private address, a password in the URL and what is no URL are refused by name."""
    assert post(served, "/v1/hooks", {"url": "https://evil.example/x"}).json["error"] == "host-not-registered"
    for url in ("http://evil.example/x", "https://10.0.0.1/x", "https://u:p@127.0.0.1/x", "https://[", ""):
        told = post(served, "/v1/hooks", {"url": url})
        assert (told.status, told.json["error"]) == (400, "invalid-request"), url
    assert post(served, "/v1/hooks", {"url": "https://127.0.0.1/x", "types": ["Claim"]}).status == 400
    assert post(served, "/v1/hooks", {"url": "https://127.0.0.1/x", "extra": 1}).status == 422
    assert served.ask("/v1/hooks").json == {"hooks": []}


def test_a_client_sees_and_ends_only_its_own(parts: Parts, served: Served) -> None:
    """Another client's subscription is not there: neither listed, nor rotated, nor ended."""
    made = post(served, "/v1/hooks", {"url": "https://127.0.0.1/x"}).json
    other = add_client(parts, hook_hosts=HOSTS)[1]
    time.sleep(0.15)  # clients are held for a tenth of a second here
    assert served.ask("/v1/hooks", key=other).json == {"hooks": []}
    assert served.ask(f"/v1/hooks/{made['id']}", method="DELETE", key=other).status == 404
    assert [one["id"] for one in served.ask("/v1/hooks").json["hooks"]] == [made["id"]]
    assert "secret" not in served.ask("/v1/hooks").json["hooks"][0]


def test_a_subscription_that_cannot_be_kept_is_refused(served: Served) -> None:
    """Criteria with parameters, another channel and what is no Subscription get an OperationOutcome, no promise."""
    channel = {"type": "rest-hook", "endpoint": "https://127.0.0.1/x"}
    asked = {"resourceType": "Subscription", "criteria": "Patient", "channel": channel}
    changes: list[dict[str, Any]] = [
        {"criteria": "Patient?name=x"}, {"criteria": "Nothing"}, {"criteria": 1}, {"channel": 1},
        {"channel": {"type": "email", "endpoint": "x"}}, {"channel": {**channel, "payload": "application/fhir+json"}},
        {"channel": {**channel, "header": ["X-Other: 1"]}}, {"channel": {**channel, "header": "Authorization: x"}},
        {"channel": {**channel, "header": ["Authorization: x\r\nHost: y"]}}, {"channel": {**channel, "header": [1]}},
        {"channel": {**channel, "header": ["Authorization: x", "Authorization: y"]}}, {"status": "off"},
        {"end": "2026-12-01T00:00:00Z"}, {"channel": {**channel, "extension": []}}, {"reason": 5},
    ]  # fmt: skip
    for change in changes:
        told = post(served, "/fhir/Subscription", asked | change)
        assert told.status in {400, 422}, change
        assert told.json["resourceType"] == "OperationOutcome"
    assert post(served, "/fhir/Subscription", asked).json["reason"]  # R4 wants one in every Subscription


def test_what_an_ended_subscription_owes_has_a_verdict(parts: Parts, served: Served, tmp_path: Path) -> None:
    """Waiting or not yet read, what was not delivered in time is suppressed as ended; later changes are nobody's."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "types": ["Patient"]}).json
    route = f"hook-{made['id']}"
    parts.take(message(patient("p1", "B")), message(patient("p2", "A")))
    (row,) = parts.store.read_sync(lambda c: stored.of_client(c, TENANT, client_of(parts)))
    away = parts.delivering(
        Written(lambda _: Retry("no-connection")), name=route, filter=Filter(types=frozenset({"Patient"})),
        schedule=(FAR,) * 3, start_now=True,
    )  # fmt: skip
    deliver_all(away)
    parts.take(message(patient("p1", "C")), message(patient("p3", "A")))
    assert pending(parts, route) == (4, {})
    assert served.ask(f"/v1/hooks/{row.subscription}", method="DELETE").status == 204
    push = Push(parts, tmp_path / "ledger", [made["secret"]], port)
    push.until(lambda: 0)
    parts.take(message(patient("p1", "D")))
    assert pending(parts, route) == (0, {"ended": 4})
    assert (push.receiver.counts.effects, sent(parts)) == (0, [])
    assert parts.store.read_sync(stored.unclosed) == ([], [])
    Push(parts, tmp_path / "again", [made["secret"]], port).until(lambda: 0)
    assert pending(parts, route) == (0, {"ended": 4})


def test_what_may_have_left_at_the_end_is_told(parts: Parts, served: Served, tmp_path: Path) -> None:
    """A dispatch that a crash cut off before the end stands on the patient's list, as one in doubt."""
    port = free_port()
    made = post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook", "payload": "thin"}).json
    parts.take(message(patient("p1", "B")))
    away = parts.delivering(Crashing(), name=f"hook-{made['id']}", filter=Filter(types=WIDE), start_now=True)
    with pytest.raises(Crash):
        deliver_all(away)
    served.ask(f"/v1/hooks/{made['id']}", method="DELETE")
    Push(parts, tmp_path / "ledger", [made["secret"]], port).until(lambda: 0)
    assert pending(parts, f"hook-{made['id']}") == (0, {"ambiguous:ended": 1})
    assert sent(parts) == [(f"hook-{made['id']}", ("id",))]


def test_addresses_are_sealed_in_every_store(parts: Parts, served: Served, tmp_path: Path) -> None:
    """No row tells where a hook leads or why a client asked; what an older version wrote in the clear is sealed."""
    secret_path = "http://127.0.0.1:9/hook/zzz-secret"
    channel = {"type": "rest-hook", "endpoint": secret_path}
    asked = {"resourceType": "Subscription", "criteria": "Patient", "channel": channel, "reason": "zzz-reason"}
    made = post(served, "/fhir/Subscription", asked).json["id"]
    old = post(served, "/v1/hooks", {"url": secret_path}).json["id"]
    parts.store.write_sync(lambda c: stored.readdress(c, TENANT, old, secret_path, ""))
    assert served.ask("/v1/hooks").json["hooks"][0]["url"] == secret_path
    Push(parts, tmp_path / "ledger", [], free_port()).until(lambda: 0)
    rows = parts.store.read_sync(lambda c: [tuple(row) for row in stored.unclosed(c)[0]])
    assert len(rows) == 2
    assert "zzz" not in str(rows)
    assert served.ask("/v1/hooks").json["hooks"][0]["url"] == secret_path
    shown = served.ask(f"/fhir/Subscription/{made}").json
    assert (shown["channel"]["endpoint"], shown["reason"]) == (secret_path, "zzz-reason")


@pytest.mark.parametrize(
    "damage",
    [lambda url: url[:-8] + "AAAAAAA=", lambda url: url[:20], lambda _: "sealed:"],
    ids=["changed", "cut", "empty"],
)
def test_a_damaged_address_costs_its_subscription_alone(
    parts: Parts, served: Served, tmp_path: Path, damage: Callable[[str], str]
) -> None:
    """Every other subscription is served, and its client can end the damaged one and ask for it anew."""
    port = free_port()
    bad, good = (post(served, "/v1/hooks", {"url": f"http://127.0.0.1:{port}/hook"}).json for _ in range(2))
    rows = {row.subscription: row.url for row in parts.store.read_sync(stored.unclosed)[0]}
    parts.store.write_sync(lambda c: stored.readdress(c, TENANT, bad["id"], damage(rows[bad["id"]]), ""))
    push = Push(parts, tmp_path / "ledger", [good["secret"]], port)

    def changed() -> int:
        parts.take(message(patient("p1", "B")))
        return 1

    push.until(changed, met=lambda: bool(sent(parts)))
    assert [route for route, _ in sent(parts)] == [f"hook-{good['id']}"]
    assert [one["id"] for one in served.ask("/v1/hooks").json["hooks"]] == [good["id"]]
    assert served.ask(f"/v1/hooks/{bad['id']}/rotate", method="POST").status == 404
    assert served.ask(f"/v1/hooks/{bad['id']}", method="DELETE").status == 204


WIDE = frozenset(scopes.allowed([], VIEW.grants))


def client_of(parts: Parts) -> str:
    """The only client there is."""
    (row,) = parts.store.read_sync(clients.everyone)
    return str(row.client)


def pending(parts: Parts, route: str) -> tuple[int, dict[str, int]]:
    """How much of a route is pending, and what was suppressed; the ledger adds up."""
    ledger = parts.ledger()
    assert ledger.problems == []
    one = next(one for one in ledger.routes if one.route == route)
    return one.pending, one.suppressed
