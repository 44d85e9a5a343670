"""When a route tries again is its own setting, from ``gateway.toml`` to the moment of each attempt."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway import bootstrap
from gateway.errors import InvalidConfiguration
from gateway.flow import deliver, retry
from gateway.flow.clock import micros
from gateway.model.exchange import Retry
from gateway.settings import load
from tests.integration.parts import Written
from tests.integration.test_flow_persons import gateway, settled
from tests.integration.test_flow_raw import FILE, SETTINGS

OWN = SETTINGS.format(granted="").replace('sink = "files"', 'sink = "files"\nretries = [60, 7200]')


def test_a_route_tries_again_by_its_own_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt waits for its own step, after the last one the change is in quarantine, and the steps are shown."""
    (tmp_path / "gateway.toml").write_text(OWN)
    gateway(tmp_path, "init")
    (tmp_path / "remit.835").write_text(FILE)
    gateway(tmp_path, "import", str(tmp_path / "remit.835"), "--source", "payers")
    settled(tmp_path)
    assert json.loads(gateway(tmp_path, "routes", "--json"))[0]["retries"] == [60, 7200]
    opened = bootstrap.open_gateway(load(tmp_path / "gateway.toml"), tmp_path)
    began, passed, sink = micros(), 0, Written(lambda _: Retry("busy"))
    monkeypatch.setattr(retry.random, "uniform", lambda _, most: most)
    monkeypatch.setattr(deliver, "micros", lambda: began + passed * 1_000_000)
    bound = bootstrap.bind_route(opened, opened.settings.routes[0])

    async def tried(seconds: int) -> int:
        nonlocal passed
        passed = seconds
        route = deliver.Deliverer(bound, sink, opened.store, opened.vault, opened.audit)
        await route.recover()
        while await route.step():
            pass
        return len(sink.dispatches)

    try:
        counts = [asyncio.run(tried(seconds)) for seconds in (0, 59, 60, 7259, 7260, 10**6)]
    finally:
        opened.close()
    assert counts == [1, 1, 2, 2, 3, 3]
    (held,) = json.loads(gateway(tmp_path, "quarantine", "list", "--json"))
    assert (held["reason"], held["route"]) == ("gave-up:busy", "drop")
    with pytest.raises(InvalidConfiguration, match="waits for this reason"):
        gateway(tmp_path, "quarantine", "release", "--reason", "gave", "--json")
    released = gateway(tmp_path, "quarantine", "release", "--reason", "gave-up", "--route", "drop", "--json")
    assert json.loads(released)["released"] == [held["id"]]
