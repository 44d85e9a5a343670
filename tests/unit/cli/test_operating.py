"""Serving: what is done once everything listens."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.bootstrap import open_gateway
from gateway.cli import operating
from gateway.cli.printing import read
from gateway.errors import InvalidConfiguration
from tests.waiting import wait_until


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector of this process, as it was before."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("json_", [False, True])
def test_what_a_gateway_is_made_of_is_not_collected_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, json_: bool
) -> None:
    """Once a gateway says that it is ready, collections look at what was made since, and later garbage still goes."""
    made_before: list[object] = []
    gc.unfreeze()
    _serve(tmp_path, json_=json_)
    told = capsys.readouterr()
    assert '"ready": true' in told.out if json_ else told.err.endswith("ready\n")
    looked_at = gc.get_objects()
    assert not any(one is made_before for one in looked_at)
    assert gc.get_threshold()[0] == operating.YOUNG_OBJECTS
    made_since: list[object] = []
    made_since.append(made_since)
    assert any(one is made_since for one in gc.get_objects())
    del made_since, looked_at
    assert gc.collect() >= 1


def test_a_port_that_is_taken_is_told_with_its_source(tmp_path: Path) -> None:
    """What keeps one part from running ends the gateway with that part's own error, which names it."""
    config = tmp_path / "gateway.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        source = f'name = "east"\ntenant = "clinic"\nadapter = "hl7"\nzone = "UTC"\nconfig.port = {port}'
        config.write_text(f'[keys.config]\npath = "root.key"\n[[tenants]]\nname = "clinic"\n[[sources]]\n{source}\n')
        settings, text = read(config)
        gateway = open_gateway(settings, tmp_path, text, create=True)
        with closing(gateway), pytest.raises(InvalidConfiguration) as caught:
            operating.run(gateway, frozenset({"intake"}), json_=False)
    assert caught.value.where == "source east: host, port"


def _serve(folder: Path, *, json_: bool) -> None:
    """Serve until the gateway has said how it is, which it does after it was ready."""
    config = folder / "gateway.toml"
    config.write_text('[keys.config]\npath = "keys/root.key"\n[[tenants]]\nname = "clinic"\n', encoding="utf-8")
    settings, text = read(config)
    health = settings.data.directory / "health.json"

    def end() -> None:
        wait_until(health.exists)
        os.kill(os.getpid(), signal.SIGTERM)

    with closing(open_gateway(settings, folder, text, create=True)) as gateway:
        ender = threading.Thread(target=end)
        ender.start()
        operating.run(gateway, frozenset(operating.ROLES), json_=json_)
        ender.join()
