"""A remittance file goes in; one balanced journal entry is in the books and ties to the bank's line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway_bank.simulator import Deposit, bai2
from gateway_quickbooks.simulator import COMPANY, Company
from tests.end_to_end.conftest import SCRIPT, run_gateway
from tests.end_to_end.test_remits import FILE
from tests.end_to_end.test_remits import SETTINGS as REMITS
from tests.unit.plugins.ledger_entries import ACCOUNTS
from tests.waiting import PATIENCE, wait_until

SETTINGS = """
[[reactors]]
name = "books"
tenant = "northside"
reactor = "accounting"
[reactors.config]
zone = "America/Chicago"
close_after_hours = 0

[[routes]]
name = "books"
tenant = "northside"
sink = "quickbooks"
types = ["LedgerEntry"]
view = "accounting"
purpose = "payment"
recipient = "Our bookkeeper"
[routes.config]
company = "{company}"
client_id = "env:BOOKS_CLIENT"
client_secret = "env:BOOKS_SECRET"
refresh_token = "env:BOOKS_REFRESH"
token_file = "books.token"
url = "{url}"
token_url = "{url}/oauth2/v1/tokens/bearer"
allow_loopback = true
[routes.config.accounts]
"""


@contextmanager
def company() -> Iterator[Company]:
    """A simulated company in a thread of its own, whose first posting does the work and loses the answer."""
    simulated = Company()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(simulated.start(), loop).result(PATIENCE)
        yield simulated
        asyncio.run_coroutine_threadsafe(simulated.stop(), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def _tied(folder: Path) -> Any:
    days = ("--from", "2026-07-14", "--to", "2026-07-14")
    answer = run_gateway("accounting", "tie-out", *days, "--json", cwd=folder)
    assert answer.code == 0, answer.err
    return answer.json


def test_a_remittance_is_one_journal_and_ties_to_the_bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One journal entry whatever happens to its answer; open until the deposit, then tied; nothing names a patient."""
    for name, value in (("CLIENT", "simulated-client"), ("SECRET", "simulated-secret"), ("REFRESH", "refresh-0")):
        monkeypatch.setenv(f"BOOKS_{name}", value)
    with company() as books:
        books.fail("lost")
        accounts = "\n".join(f'{role} = "{number}"' for role, number in ACCOUNTS.items())
        assert run_gateway("init", cwd=tmp_path).code == 0
        text = REMITS + SETTINGS.format(company=COMPANY, url=books.base_url) + accounts
        (tmp_path / "gateway.toml").write_text(text)
        for name in ("x12", "bank"):
            (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in/x12/first.835").write_text(FILE)
        serving = subprocess.Popen(
            [SCRIPT, "serve"], cwd=tmp_path, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: len(books.entries) == 1)
            assert books.balances() == {
                "35": Decimal("80.00"), "80": Decimal("50.00"), "85": Decimal("20.00"), "84": Decimal("-150.00"),
            }  # fmt: skip
            assert sum(books.balances().values()) == 0
            told = repr(books.entries)
            assert "EFT0001" in told
            assert not {"TESTER", "ALICE", "PCN-1"} & set(told.replace("'", " ").split())
            before = _tied(tmp_path)
            assert (before["open_items"], before["booked"]) == ("80.00", "80.00")
            (tmp_path / "in/bank/day.bai2").write_bytes(bai2(date(2026, 7, 15), [Deposit(Decimal("80.00"), "EFT0001")]))
            wait_until(lambda: _tied(tmp_path)["deposits"] == "80.00")
            tied = _tied(tmp_path)
            assert (tied["tied"], tied["open_items"], tied["items"]) == (True, "0.00", [])
        finally:
            serving.terminate()
            serving.wait(PATIENCE)
        assert len(books.entries) == 1
    assert run_gateway("verify", "ledger", cwd=tmp_path).code == 0
