"""Whatever a test of a sink makes it send is held against what the vendor publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from yarl import URL

from gateway.transport.egress import Answer, Egress
from tests.conformance.published import REQUESTS, faults


@pytest.fixture(autouse=True)
def as_published(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every request of a vendor's tests has the published form."""
    vendor = request.path.parent.name
    found: list[str] = []
    exchange = Egress._exchange

    async def checked(self: Egress, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        found.extend(faults(vendor, method, url, body, headers))
        answer: Any = await exchange(self, method, url, body, headers)
        return answer  # type: ignore[no-any-return]  # the method that is wrapped says so

    if vendor in REQUESTS:
        monkeypatch.setattr(Egress, "_exchange", checked)
    yield
    assert found == []
