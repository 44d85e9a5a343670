"""Quotas: a minute's requests, filled up evenly, each client on its own."""

from __future__ import annotations

import pytest

from gateway.http.quota import Quotas
from gateway.http.refusal import HttpRefusal


def test_a_used_up_quota_fills_again_with_time() -> None:
    """The request over the quota is refused, another client's is not, and after the told wait it passes."""
    now = [100.0]
    quotas = Quotas(lambda: now[0])
    assert [quotas.spend("a", 2)["RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    with pytest.raises(HttpRefusal) as refused:
        quotas.spend("a", 2)
    assert refused.value.status == 429
    quotas.spend("b", 2)
    now[0] += float(refused.value.headers["Retry-After"])
    quotas.spend("a", 2)
    now[0] += 3600
    assert quotas.spend("a", 2)["RateLimit-Remaining"] == "1"
