"""Whatever bytes come, a parser answers with a gateway error or a finding, says no value of them, and is quick."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidContent
from gateway.model.exchange import Finding
from tests.fuzz import judge
from tests.fuzz.broken import mutations, planted
from tests.fuzz.judge import Target, offences
from tests.fuzz.targets import TARGETS

SCALE = float(os.environ.get("GATEWAY_FAULT_SCALE", "0.1"))
"""CI tries a few inputs of each parser; `make fuzz` goes by coverage and for as long as it is told."""


FOUND = Path(__file__).with_name("found")


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_sound_inputs_are_read(target: Target) -> None:
    """A target whose seeds are refused would fuzz nothing but its first check; a few show what is refused."""
    sound = [seed for seed in target.seeds if not [one for one in target.run(seed) if isinstance(one, Finding)]]
    assert len(sound) * 2 > len(target.seeds)


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_hostile_pieces_are_survived(target: Target) -> None:
    """Depth, length, foreign digits and stray marks, before, behind and within a sound input."""
    for seed in target.seeds[: 1 if SCALE < 1 else None]:
        for data in planted(seed):
            assert offences(target, data) == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_broken_inputs_are_survived(target: Target) -> None:
    """Cut, repeated, exchanged and foreign bytes."""

    @settings(
        max_examples=max(10, int(300 * SCALE) // 3), deadline=None, database=None, derandomize=SCALE < 1,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutations(target.seeds) | st.binary(max_size=64))
    def tried(data: bytes) -> None:
        assert offences(target, data) == []

    tried()


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda one: f"{one.parent.name}/{one.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    """Inputs that once broke a promise, as fuzzing found them."""
    target = next(one for one in TARGETS if one.name == path.parent.name)
    assert offences(target, path.read_bytes()) == []


def test_the_judge_sees_each_offence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value in an error or a finding and a slow parser are told, and a foreign error goes through."""

    def quotes(data: bytes):
        yield Finding(reason="bad", what=f"{data.decode()} is no name", where="line 1")

    def refuses(data: bytes):
        raise InvalidContent("bad", "This is none", where=data.decode())
        yield ""

    def sleeps(data: bytes):
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        return [data.decode()[:0]]

    def fails(data: bytes):
        return [str(int(data))]

    for run in (quotes, refuses):
        assert "zebulonqx" in offences(Target("made-up", run, ()), b"Zebulonqx")[0]
        assert offences(Target("made-up", run, ()), b"segment") == []
    monkeypatch.setattr(judge, "MOST_SECONDS", 0.01)
    assert "took" in offences(Target("made-up", sleeps, ()), b"")[0]
    with pytest.raises(ValueError, match="invalid literal"):
        offences(Target("made-up", fails, ()), b"x")
