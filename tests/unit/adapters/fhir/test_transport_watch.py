"""A server that stops notifying does not go unseen, and what it told in vain is asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from yarl import URL

from gateway.errors import SourceUnavailable
from gateway.transport.smart import Token
from gateway_fhir.simulator import FhirSimulator
from gateway_fhir.simulator_subscribe import TOPIC
from gateway_fhir.transport_watch import Watch
from tests.unit.adapters.fhir.server import Server, with_server

WANTED = ("system/Subscription.rs",)
OURS = "https://gateway.example.org/hooks/ehr"


def add(simulator: FhirSimulator, id: str, status: str = "active", endpoint: str = OURS, **more: Any) -> dict[str, Any]:
    """A Subscription that somebody made at the server."""
    channel = {"type": "rest-hook", "endpoint": endpoint}
    row = {
        "resourceType": "Subscription",
        "id": id,
        "status": status,
        "criteria": "Patient?",
        "channel": channel,
        **more,
    }
    simulator.subscriptions.rows[id] = row
    simulator.subscriptions.events[id] = []
    return row


def watch(server: Server, token: Token | None = None) -> Watch:
    return Watch("ehr", server.http, server.config, events=True, token=token, wanted=WANTED)


@pytest.mark.parametrize("status", ["error", "off"])
def test_one_that_the_server_ended_fails_the_stream_until_it_is_mended(status: str) -> None:
    """The error says how many and what to type; another gateway's are no matter of ours."""

    async def body(server: Server) -> None:
        row = add(server.simulator, "1")
        add(server.simulator, "2", "error", "https://gateway.example.org/hooks/other")
        await watch(server).poll(server.intake)
        row["status"] = status
        for _ in range(2):
            with pytest.raises(SourceUnavailable, match="1 of our Subscriptions") as told:
                await watch(server).poll(server.intake)
        assert "gateway fhir subscribe ehr" in told.value.fix
        add(server.simulator, "3")
        await watch(server).poll(server.intake)
        assert server.intake.findings == []

    with_server(body)


def test_one_that_is_gone_is_told_once() -> None:
    """A deleted one leaves a finding and a line of the log, once; one whose place another took leaves none."""

    async def body(server: Server) -> None:
        add(server.simulator, "1")
        add(server.simulator, "2", criteria="Appointment?")
        await watch(server).poll(server.intake)
        del server.simulator.subscriptions.rows["1"]
        with capture_logs() as logs:
            await watch(server).poll(server.intake)
            await watch(server).poll(server.intake)
        assert [one.reason for one in server.intake.findings] == ["subscription-ended"]
        assert [line["event"] for line in logs] == ["subscription gone"]
        del server.simulator.subscriptions.rows["2"]
        add(server.simulator, "3", criteria="Appointment")
        await watch(server).poll(server.intake)
        assert len(server.intake.findings) == 1

    with_server(body)


def test_one_whose_handshake_never_comes_is_told() -> None:
    """Requested at one look is patience, at two it is silence."""

    async def body(server: Server) -> None:
        add(server.simulator, "1", "requested")
        await watch(server).poll(server.intake)
        with pytest.raises(SourceUnavailable, match="not active"):
            await watch(server).poll(server.intake)

    with_server(body)


@pytest.mark.parametrize("granted", ["system/Patient.rs", None])
def test_without_the_scope_it_is_said_once_and_nothing_fails(granted: str | None) -> None:
    """Whether a server gives a smaller token or none at all: that we cannot look is no failure of the source."""

    async def body(server: Server) -> None:
        server.simulator.grants, server.simulator.jwks = granted, server.simulator.jwks if granted else None
        token = Token(server.plain, server.config, URL(f"{server.simulator.base_url}/token"), WANTED)
        stream = watch(server, token)
        with capture_logs() as logs:
            await stream.poll(server.intake)
            await stream.poll(server.intake)
        assert [line["stream"] for line in logs if line["event"] == "capability missing"] == ["Subscription"]
        assert server.intake.cursors == {}

    with_server(body)


def test_lost_events_are_asked_for_once() -> None:
    """From the first number that is missing to the last one seen; a server that has them no more is asked no more."""

    async def body(server: Server) -> None:
        add(server.simulator, "7", criteria=TOPIC)
        patient = server.simulator.tables["Patient"]["p3"]
        told = server.simulator.subscriptions.events["7"]
        told += [("Patient/p3", patient), ("Patient/p4", None), ("Patient/p5", patient)]
        server.intake.cursors["subscription"] = '{"Subscription/7":3,"Subscription/7 missed":2}'
        await watch(server).poll(server.intake)
        await watch(server).poll(server.intake)
        (asked,) = server.simulator.subscriptions.asked
        assert (asked["eventsSinceNumber"], asked["eventsUntilNumber"]) == ("2", "3")
        assert [one.kind for one in server.intake.items] == ["Patient deleted", "Patient"]
        server.intake.cursors["subscription"] = '{"Subscription/7":2,"Subscription/7 missed":1}'  # began again
        await watch(server).poll(server.intake)
        await watch(server).poll(server.intake)
        assert [one["eventsSinceNumber"] for one in server.simulator.subscriptions.asked] == ["2", "1"]
        server.intake.cursors["subscription"] = '{"Subscription/8":9,"Subscription/8 missed":9}'
        await watch(server).poll(server.intake)
        assert msgspec.json.decode(server.intake.cursors["subscriptions"])["secured"] == {
            "Subscription/7": 2, "Subscription/8": 9,
        }  # fmt: skip

    with_server(body)
