"""Serving: what is done once everything listens."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from gateway.cli import operating


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector of this process, as it was before."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_a_gateway_is_made_of_is_not_collected_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Once a gateway says that it is ready, collections look at what was made since, and later garbage still goes."""
    made_before: list[object] = []
    operating.ready()
    assert capsys.readouterr().err == "ready\n"
    looked_at = gc.get_objects()
    assert not any(one is made_before for one in looked_at)
    made_since: list[object] = []
    made_since.append(made_since)
    assert any(one is made_since for one in gc.get_objects())
    del made_since, looked_at
    assert gc.collect() >= 1
