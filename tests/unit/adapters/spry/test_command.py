"""Subscribing: all seven events, and a key that is kept once in a file of its owner."""

from __future__ import annotations

import stat

import pytest

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway_spry.command import subscribed
from gateway_spry.records import EVENTS
from tests.unit.adapters.spry.organisation import Organisation, with_organisation

TARGET = "https://gateway.example/hooks/north"


def test_a_subscription_keeps_its_key(tmp_path) -> None:
    """Mode 0600; a second run does not overwrite it and registers nothing."""

    async def body(place: Organisation) -> None:
        file = tmp_path / "hook.key"
        await subscribed(place.config, "gateway north", TARGET, file)
        (made,) = place.simulator.subscriptions.values()
        assert (set(made["event_types"]), made["notification_url"]) == (set(EVENTS), TARGET)
        assert file.read_text() == made["signature_key"]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with pytest.raises(InvalidConfiguration, match="key file"):
            await subscribed(place.config, "gateway north", TARGET, file)
        assert len(place.simulator.subscriptions) == 1

    with_organisation(body)


def test_a_refusal_leaves_no_file(tmp_path) -> None:
    """An error code is told, and the next run may use the same name."""

    async def body(place: Organisation) -> None:
        place.simulator.fail("error-code", 1)
        with pytest.raises(SourceUnavailable, match="2999"):
            await subscribed(place.config, "gateway north", TARGET, tmp_path / "hook.key")
        assert list(tmp_path.iterdir()) == []

    with_organisation(body)
