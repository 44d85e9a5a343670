"""The consent: code with PKCE over loopback, and webhooks registered with their one-time secrets."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from gateway.errors import SourceUnavailable
from gateway.testing.ports import free_port
from gateway_jane.command import consent
from gateway_jane.transport_hooks import TOPICS
from tests.unit.adapters.jane.clinic import Clinic, with_clinic
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANE_SECRET", "simulated-secret")


def test_a_consent_in_the_browser_is_kept_with_its_webhooks(tmp_path) -> None:
    """Agreeing at the printed address is all that is needed; asked a second time, registered topics are replaced."""

    async def body(clinic: Clinic) -> None:
        for _ in range(2):
            told: asyncio.Queue[str] = asyncio.Queue()
            going = asyncio.create_task(consent(clinic.config, "https://gw.example/hooks/north", told.put_nowait))
            address = (await told.get()).splitlines()[1]
            async with aiohttp.ClientSession() as session:
                async with session.get(address) as response:
                    assert 'value="agree"' in await response.text()
                async with session.post(address, data={"decision": "agree"}) as response:
                    assert (await response.text()).startswith("Thank you")
            kept = await asyncio.wait_for(going, PATIENCE)
        assert {hook.topic for hook in kept.webhooks} == set(TOPICS)
        assert {hook.secret for hook in kept.webhooks} == {
            one["secret"] for one in clinic.simulator.subscriptions.values()
        }
        assert clinic.file.read() == kept
        assert len(await clinic.poll("locations")) == 2

    with_clinic(tmp_path, body, redirect_port=free_port())


def test_a_refusal_in_the_browser_is_told_there_and_here(tmp_path) -> None:
    """Who refuses reads that nothing is kept, and the command says that the clinic did not agree."""

    async def body(clinic: Clinic) -> None:
        before = clinic.file.read()
        told: asyncio.Queue[str] = asyncio.Queue()
        going = asyncio.create_task(consent(clinic.config, "", told.put_nowait))
        address = (await told.get()).splitlines()[1]
        refuse = {"decision": "refuse"}
        async with aiohttp.ClientSession() as session, session.post(address, data=refuse) as response:
            assert (await response.text()).startswith("Nothing was agreed to")
        with pytest.raises(SourceUnavailable, match="did not agree"):
            await asyncio.wait_for(going, PATIENCE)
        assert clinic.file.read() == before

    with_clinic(tmp_path, body, redirect_port=free_port())


@pytest.mark.parametrize(
    ("error", "told"), [("access_denied", "did not agree"), ("invalid_scope", r"invalid_scope.*Ask the vendor")]
)
def test_a_return_without_a_code_says_whose_refusal_it_is(tmp_path, error: str, told: str) -> None:
    """What the provider itself refused is not told as the clinic's answer; foreign states end nothing."""

    async def body(clinic: Clinic) -> None:
        invited: asyncio.Queue[str] = asyncio.Queue()
        going = asyncio.create_task(consent(clinic.config, "", invited.put_nowait))
        state = (await invited.get()).partition("&state=")[2].partition("&")[0]
        back = f"http://127.0.0.1:{clinic.config.redirect_port}/connected"
        async with aiohttp.ClientSession() as session:
            async with session.get(back, params={"state": "other", "code": "x"}) as response:
                assert response.status == 400
            async with session.get(back, params={"state": state, "error": error}) as response:
                assert response.status == 200
        with pytest.raises(SourceUnavailable, match=told):
            await asyncio.wait_for(going, PATIENCE)

    with_clinic(tmp_path, body, redirect_port=free_port())
