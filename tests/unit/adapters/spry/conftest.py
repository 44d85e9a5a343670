"""The secret of the simulated client, where the tests' settings look for it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPRY_SECRET", "simulated-secret")
    monkeypatch.setenv("SPRY_HOOK_KEY", "signature-key")
