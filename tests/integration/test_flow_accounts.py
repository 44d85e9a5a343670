"""Accounts: guesses that come at the same time are counted like any others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.access import passwords
from gateway.flow import accounts
from gateway.settings_people import People
from tests.integration.parts import TENANT, Parts
from tests.waiting import PATIENCE

AT_ONCE = 12
FEW = 3


def test_guesses_at_the_same_time_are_counted(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many sign-ins that all begin before the first has failed, no more count than may fail."""
    monkeypatch.setattr(accounts, "MOST_FAILURES", FEW)
    monkeypatch.setattr(accounts.one_time, "step_of", lambda secret, code, at: int(code) or None)
    people = accounts.Accounts(parts.store, parts.vault, parts.audit, People(), [TENANT])
    people.add("anne", role="operator", tenants=[TENANT], view="", locations=(), subject="", actor="cli:tester")
    together = threading.Barrier(AT_ONCE, timeout=PATIENCE)
    failing = threading.Semaphore(0)

    def matches(password: str, kept: str | None) -> bool:
        together.wait()
        if password == "right":
            for _ in range(AT_ONCE - 1):
                assert failing.acquire(timeout=PATIENCE)
        return password == "right"

    monkeypatch.setattr(passwords, "matches", matches)

    def guess(number: int) -> str | None:
        found = people.sign_in("anne", "right" if number == 0 else "wrong", "1", "192.0.2.1")
        if number:
            failing.release()
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(guess, range(AT_ONCE))) == [None] * AT_ONCE
