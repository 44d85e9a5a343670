"""A reactor that somebody else wrote is found, shown, run by import and serve, and its values are explained."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import bootstrap
from gateway.cli import app
from gateway.diagnosis import InvalidSettings
from gateway.model.exchange import Item
from gateway.registry import Registry
from gateway.settings import load
from gateway.store import journal
from gateway_hl7.simulator import clinic_day
from tests.logged import log_by_itself
from tests.waiting import PATIENCE

SETTINGS = """
[keys.config]
path = "root.key"
[[tenants]]
name = "north"
[[sources]]
name = "ris"
tenant = "north"
adapter = "hl7"
zone = "America/Chicago"
[[reactors]]
name = "visits"
tenant = "north"
reactor = "counting"
[reactors.config]
word = "appointments"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway.toml, with the reactor's distribution installed."""
    installed = tmp_path / "site" / "counting-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[gateway.plugins]\ncounting = tests.integration.counting\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS)
    return path


def told(*words: str) -> Any:
    """What a command prints as JSON."""
    answer = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    log_by_itself()  # what the command was told to log to is closed by now
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout.splitlines()[-1])


def test_a_file_brought_in_is_derived_from_and_explained(config: Path, tmp_path: Path) -> None:
    """After ``gateway import`` the derived records are there, and each is traced to appointments of the source."""
    day = tmp_path / "day.hl7"
    day.write_bytes(b"\r".join(clinic_day(3, patients=5, visits=20)))
    told("init", "--config", str(config))
    told("import", str(day), "--config", str(config))
    tasks = told("records", "Task", "--show", "--config", str(config))
    assert tasks
    assert all(one["fields"]["title"].endswith(" appointments") and one["source"] == "reactor.visits" for one in tasks)
    found = told("explain", tasks[0]["id"], "title", "--config", str(config))
    assert {(one["type"], one["source"]) for one in found["derived_from"]} == {("Appointment", "ris")}
    assert told("verify", "ledger", "--config", str(config))["unaccounted"] == 0
    rows = {row["name"]: row for row in told("adapters")["plugins"] if row["kind"] == "reactor"}
    assert (rows["counting"]["reads"], rows["counting"]["writes"]) == (["Appointment"], ["Task"])


def test_a_serving_worker_reacts(config: Path) -> None:
    """While the gateway serves, what arrives is derived from within moments."""
    told("init", "--config", str(config))
    settings = load(config)
    gateway = bootstrap.open_gateway(settings, config.parent, config.read_text())
    items = [
        Item(body=body, kind="message", control_id=str(number), order_key=None)
        for number, body in enumerate(clinic_day(3, patients=5, visits=20))
    ]

    async def run() -> int:
        ready = asyncio.Event()
        task = asyncio.create_task(bootstrap.serve(gateway, frozenset({"worker"}), ready.set))
        await asyncio.wait_for(ready.wait(), PATIENCE)
        await gateway.receiver(gateway.sources["north", "ris"]).accept(items)
        made: list[Any] = []
        for _ in range(1200):
            made = list(await gateway.store.read(lambda c: journal.recent_records(c, "north", "Task", None, 100)))
            if made:
                break
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(made)

    try:
        assert asyncio.run(run()) > 0
    finally:
        gateway.close()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "visits"', 'name = "Visits"', "A name is made of"),
        ('reactor = "counting"', 'reactor = "hl7"', "No loaded plugin offers this reactor"),
        ('word = "appointments"', "hours = 'x'", "integer"),
        ('tenant = "north"\nreactor', 'tenant = "south"\nreactor', "There is no tenant of this name"),
    ],
)
def test_mistakes_are_told(config: Path, old: str, new: str, problem: str) -> None:
    """A wrong name, an unknown reactor, wrong settings and an unknown tenant are each told with their place."""
    config.write_text(SETTINGS.replace(old, new))
    with pytest.raises(InvalidSettings) as caught:
        bootstrap.open_gateway(load(config), config.parent, config.read_text())
    (found,) = caught.value.problems
    assert problem in found.what
    assert found.where.startswith("reactors[0]")


def test_a_reactor_may_not_read_what_follows_from_what_it_makes(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A circle of reads and writes is refused before anything runs."""
    loaded = Registry.load(["counting", "hl7", "keys-file"])
    info = loaded.reactors["counting"].info
    monkeypatch.setattr(type(loaded.reactors["counting"]), "info", type(info)(
        name="counting", version="1", api=1, summary="", reads=info.reads, writes=info.reads | info.writes,
    ))  # fmt: skip
    with pytest.raises(InvalidSettings, match="follows from what it makes: Appointment"):
        bootstrap.open_gateway(load(config), config.parent, config.read_text())
