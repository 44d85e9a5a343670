"""The whole transport against the simulated server: discovery, token, every type, until it is stopped."""

from __future__ import annotations

import asyncio

from gateway_fhir.transport import ServerTransport, transports
from tests.unit.adapters.fhir.server import Server, config, with_server


def test_everything_the_server_has_arrives_by_search_and_by_export() -> None:
    """Types are searched, those that are only exported are exported, and nothing is brought twice."""

    async def body(server: Server) -> None:
        server.simulator.unsearchable = {"Coverage", "Claim"}
        server.simulator.fail("500", 2)
        opened = asyncio.Event()
        running = asyncio.create_task(ServerTransport("ehr", server.config).run(server.intake, opened.set))
        wanted = sum(len(rows) for rows in server.simulator.tables.values())
        while len(server.intake.items) < wanted and not running.done():
            await asyncio.sleep(0.02)
        assert opened.is_set()
        assert len(server.intake.items) == wanted
        assert len(server.simulator.exports.asked) == 1
        assert sorted(server.simulator.exports.asked[0]["_type"].split(",")) == ["Claim", "Coverage"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with_server(body, poll_seconds=0.2)


def test_without_an_address_there_is_nothing_to_ask() -> None:
    """A source for files and hooks only has no poller."""
    assert transports("ehr", config()) == []
