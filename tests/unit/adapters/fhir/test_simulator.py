"""The stand-in answers what it does not have as a server would."""

from __future__ import annotations

import time

import aiohttp
import pytest

from tests.unit.adapters.fhir.server import Server, with_server


@pytest.mark.parametrize(
    ("path", "status", "type"),
    [
        ("Patient/nobody", 404, "OperationOutcome"), ("Basket/1", 404, "OperationOutcome"),
        ("Basket", 200, "Bundle"), ("Appointment/a3", 200, "Appointment"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_in_fhirs_form(path: str, status: int, type: str) -> None:
    """An id or a type that it does not have is no failure of the simulator."""

    async def body(server: Server) -> None:
        server.simulator.tokens["mine"] = time.monotonic() + 60
        headers = {"Authorization": "Bearer mine"}
        url = f"{server.simulator.fhir_base}/{path}"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            told = await answer.json(content_type=None)
            assert (answer.status, told["resourceType"]) == (status, type)

    with_server(body)
