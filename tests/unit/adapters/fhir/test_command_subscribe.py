"""``gateway fhir subscribe`` and its sisters against the simulated server, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway_fhir import command_subscribe
from gateway_fhir.command import app
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET, FhirSimulator
from gateway_fhir.simulator_subscribe import TOPIC
from tests.unit.adapters.fhir.server import CLINIC, SETTINGS
from tests.waiting import PATIENCE

SECRET = "a-secret-of-the-hook"
RUN = CliRunner()
Run = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHR_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("EHR_NOTICES", SECRET)


def at_a_server(folder: Path, body: Callable[[FhirSimulator, list[str], Run], Awaitable[None]]) -> None:
    """Run a test with a server, a listener that notes what it is shown, and a way to call commands."""
    shown: list[str] = []

    async def hook(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization", ""))
        return web.Response(status=200 if shown[-1] == f"Bearer {SECRET}" else 401)

    async def run() -> None:
        ehr, listener = FhirSimulator(CLINIC), web.Application()
        listener.router.add_route("*", "/hooks/ehr", hook)
        runner = web.AppRunner(listener)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await ehr.start()
        config = folder / "gateway.toml"
        config.write_text(SETTINGS.format(port=runner.addresses[0][1], url=ehr.fhir_base, client=CLIENT_ID))

        async def call(*words: str, code: int = 0) -> Any:
            said = await asyncio.to_thread(RUN.invoke, app, [*words, "--json", "--config", str(config)])
            if said.exception is not None and not isinstance(said.exception, SystemExit):
                raise said.exception
            assert said.exit_code == code, said.output
            assert SECRET not in said.output
            return json.loads(said.stdout)

        try:
            async with asyncio.timeout(PATIENCE):
                await body(ehr, shown, call)
        finally:
            await ehr.stop()
            await runner.cleanup()

    asyncio.run(run())


def test_every_type_that_is_read_is_subscribed_to_once(tmp_path: Path) -> None:
    """One Subscription for each type, to this gateway's own address; a second call keeps them and makes none."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        made = await call("subscribe", "ehr")
        assert [(one["subject"], one["status"], one["done"]) for one in made] == [
            ("Patient", "active", "made"), ("Appointment", "active", "made"),
        ]  # fmt: skip
        rows = list(ehr.subscriptions.rows.values())
        assert [row["criteria"] for row in rows] == ["Patient?", "Appointment?"]
        assert all(row["channel"]["endpoint"].endswith("/hooks/ehr") for row in rows)
        assert "payload" not in rows[0]["channel"]
        assert ehr.scopes[-1] == "system/Subscription.crds"
        assert [one["done"] for one in await call("subscribe", "ehr")] == ["kept", "kept"]
        assert len(ehr.subscriptions.rows) == 2

    at_a_server(tmp_path, body)


def test_one_that_ended_is_made_anew_and_the_old_one_goes(tmp_path: Path) -> None:
    """In error, or with another secret or content, it tells us nothing: there is one again, and one only."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        words = ("subscribe", "ehr", "--type", "Patient")
        (first,) = await call(*words)
        ehr.subscriptions.end("error")
        ehr.subscriptions.rows[first["id"]]["error"] = "The endpoint\nanswered 500"
        (listed,) = await call("subscriptions", "ehr", code=1)
        assert (listed["status"], listed["error"]) == ("error", "The endpoint answered 500")
        (second,) = await call(*words)
        assert (second["done"], second["status"]) == ("made anew", "active")
        assert list(ehr.subscriptions.rows) == [second["id"]]
        (third,) = await call(*words, "--content", "full-resource")
        assert list(ehr.subscriptions.rows) == [third["id"]] != [second["id"]]
        ehr.subscriptions.rows[third["id"]]["channel"]["header"] = ["Authorization: Bearer of-yesterday"]
        (fourth,) = await call(*words, "--content", "full-resource")
        assert fourth["done"] == "made anew"
        (fifth,) = await call(*words, "--content", "full-resource", "--anew")
        assert list(ehr.subscriptions.rows) == [fifth["id"]] != [fourth["id"]]

    at_a_server(tmp_path, body)


def test_a_server_that_activates_nothing_gets_it_as_active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What such a server leaves as requested fails the command; with --active another takes its place."""
    monkeypatch.setattr(command_subscribe, "WAIT", 0.0)

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        ehr.subscriptions.activates = False
        words = ("subscribe", "ehr", "--type", "Patient")
        (left,) = await call(*words, code=1)
        assert left["status"] == "requested"
        (made,) = await call(*words, "--active")
        assert (made["status"], made["done"]) == ("active", "made anew")
        assert list(ehr.subscriptions.rows) == [made["id"]]
        assert [one["done"] for one in await call(*words)] == ["kept"]

    at_a_server(tmp_path, body)


def test_a_topic_is_active_once_hands_were_shaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handshake shows our secret; where we do not answer it the command says that it failed, and keeps the old."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        (made,) = await call("subscribe", "ehr", "--topic", TOPIC, "--content", "id-only")
        assert (made["status"], made["content"], shown) == ("active", "id-only", [f"Bearer {SECRET}"])
        row = ehr.subscriptions.rows[made["id"]]
        assert row["channel"]["extension"][0]["valueUnsignedInt"] == 300
        monkeypatch.setenv("EHR_NOTICES", "another-secret-here")
        (failed,) = await call("subscribe", "ehr", "--topic", TOPIC, "--content", "id-only", code=1)
        assert (failed["status"], failed["error"]) == ("error", "The endpoint answered 401")
        assert made["id"] in ehr.subscriptions.rows

    at_a_server(tmp_path, body)


def test_a_dry_run_shows_all_but_the_secret_and_sends_nothing(tmp_path: Path) -> None:
    """What would be sent is shown as it would be sent, with the secret hidden; the server hears of nothing."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        (would,) = await call("subscribe", "ehr", "--type", "Patient", "--dry-run")
        assert would["criteria"] == "Patient?"
        assert would["channel"]["header"] == ["Authorization: Bearer ***"]
        assert (ehr.subscriptions.rows, ehr.tokens) == ({}, {})

    at_a_server(tmp_path, body)


def test_only_our_own_is_ended(tmp_path: Path) -> None:
    """One that leads elsewhere is neither listed nor ended."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        (made,) = await call("subscribe", "ehr", "--type", "Patient")
        channel = {"type": "rest-hook", "endpoint": "https://another.example.org/hooks/ehr"}
        other = {
            "resourceType": "Subscription",
            "id": "x",
            "status": "active",
            "criteria": "Patient",
            "channel": channel,
        }
        ehr.subscriptions.rows["x"] = other
        assert [one["id"] for one in await call("subscriptions", "ehr")] == [made["id"]]
        with pytest.raises(InvalidConfiguration, match="no Subscription of this id"):
            await call("unsubscribe", "ehr", "x")
        await call("unsubscribe", "ehr", made["id"])
        assert list(ehr.subscriptions.rows) == ["x"]

    at_a_server(tmp_path, body)


def test_what_stands_in_the_way_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    """A missing scope, a topic or type that the server does not have, content that no plain one can ask for."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        ehr.grants = "system/Patient.rs"
        with pytest.raises(InvalidConfiguration, match=r"no system/Subscription\.crds"):
            await call("subscribe", "ehr")
        ehr.grants = None
        with pytest.raises(InvalidConfiguration, match="topic"):
            await call("subscribe", "ehr", "--topic", "https://example.org/another")
        with pytest.raises(InvalidConfiguration, match="not read"):
            await call("subscribe", "ehr", "--type", "Basic")
        for words in (["--content", "id-only"], ["--content", "half"], ["--topic", TOPIC, "--type", "Patient"]):
            with pytest.raises(InvalidConfiguration, match="do not go together"):
                await call("subscribe", "ehr", *words)
        ehr.subscriptions.interactions = ("read", "search-type")
        with pytest.raises(InvalidConfiguration, match="no create"):
            await call("subscribe", "ehr")
        assert ehr.subscriptions.rows == {}

    at_a_server(tmp_path, body)


def test_a_lost_answer_makes_no_second_one(tmp_path: Path) -> None:
    """A create is sent once; whoever calls again finds what the server made."""

    async def body(ehr: FhirSimulator, shown: list[str], call: Run) -> None:
        ehr.fail("lost")
        with pytest.raises(SourceUnavailable):
            await call("subscribe", "ehr", "--type", "Patient")
        assert len(ehr.subscriptions.rows) == 1
        assert [one["done"] for one in await call("subscribe", "ehr", "--type", "Patient")] == ["kept"]
        assert len(ehr.subscriptions.rows) == 1

    at_a_server(tmp_path, body)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('hook_secret = "env:EHR_NOTICES"', "", "hook_secret"), ("[http]\nport = 8080", "", "public_url"),
        ('base_url = "https://ehr.example.org/fhir"', "", "base_url"), ("port = 8080", "port = 8080", "public_url"),
    ],
)  # fmt: skip
def test_settings_that_do_not_suffice_are_named(tmp_path: Path, old: str, new: str, where: str) -> None:
    """Without a secret, a server, or an address that the server can reach nothing is asked for."""
    config = tmp_path / "gateway.toml"
    text = SETTINGS.format(port=8080, url="https://ehr.example.org/fhir", client=CLIENT_ID)
    if where == "hook_secret":
        text = text.replace("port = 8080", 'port = 8080\npublic_url = "https://gateway.example.org"')
    config.write_text(text.replace(old, new))
    with pytest.raises(InvalidConfiguration) as told:
        RUN.invoke(app, ["subscribe", "ehr", "--config", str(config)], catch_exceptions=False)
    assert where in told.value.fix + told.value.where
