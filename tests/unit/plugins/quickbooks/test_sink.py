"""Journal entries in a company: each once, whatever happens on the way; what is refused says why."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import OpenSink
from gateway.model.exchange import Delivered, RateBudget, Rejected, Retry
from gateway_quickbooks.config import QuickBooksConfig
from gateway_quickbooks.plugin import QuickBooksSink
from gateway_quickbooks.simulator import COMPANY, Company
from tests.unit.plugins.ledger_entries import ACCOUNTS, DAY, dispatch, entry, removed, settle

INFO = QuickBooksSink.info


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QBO_CLIENT", "simulated-client")
    monkeypatch.setenv("QBO_SECRET", "simulated-secret")
    monkeypatch.setenv("QBO_REFRESH", "refresh-0")


def opened(company: Company, folder: Path, **changes: Any) -> OpenSink:
    settings: dict[str, Any] = {
        "accounts": ACCOUNTS, "company": COMPANY, "client_id": "env:QBO_CLIENT", "client_secret": "env:QBO_SECRET",
        "refresh_token": "env:QBO_REFRESH", "token_file": folder / "token.json", "url": company.base_url,
        "token_url": f"{company.base_url}/oauth2/v1/tokens/bearer", "allow_loopback": True, "timeout": 5.0,
        "dimensions": {"L1": {"class": "3", "department": "2"}},
    }  # fmt: skip
    return QuickBooksSink().open("books", QuickBooksConfig(**(settings | changes)))


@asynccontextmanager
async def books(
    folder: Path, company: Company | None = None, **changes: Any
) -> AsyncIterator[tuple[OpenSink, Company]]:
    company = company or Company()
    await company.start()
    sink = opened(company, folder, **changes)
    try:
        yield sink, company
    finally:
        await sink.close()
        await company.stop()


def test_an_entry_becomes_one_balanced_journal_entry(tmp_path: Path) -> None:
    """Amounts, date, number, class and department arrive; a repeat of the dispatch books nothing more."""

    async def run() -> None:
        async with books(tmp_path) as (sink, company):
            amounts = {"cash": "80.00", "contractual-adjustment": "70.00", "payer-receivable": "-150.00"}
            for _ in range(2):
                (outcome,) = await sink.deliver(dispatch(entry(1, amounts)))
                assert isinstance(outcome, Delivered)
            (booked,) = company.entries.values()
            assert company.balances() == {"35": Decimal("80.00"), "80": Decimal("70.00"), "84": Decimal("-150.00")}
            assert (booked["TxnDate"], booked["PrivateNote"]) == ("2026-07-14", "remittance EFT1")
            assert booked["DocNumber"] in outcome.receipt
            detail = booked["Line"][0]["JournalEntryLineDetail"]
            assert (detail["ClassRef"], detail["DepartmentRef"]) == ({"value": "3"}, {"value": "2"})
            assert await sink.probe(entry(1, amounts)) == outcome
            assert await sink.probe(entry(2)) == Retry("not-booked")

    asyncio.run(run())


def test_several_entries_go_in_one_batch_and_one_bad_one_costs_itself(tmp_path: Path) -> None:
    """Thirty journals are one request; the one that is refused says why and the others are booked."""

    async def run() -> None:
        async with books(tmp_path, Company(accounts=frozenset(ACCOUNTS.values()) - {"91"})) as (sink, company):
            rows = [*(entry(number) for number in range(1, 30)), entry(30, {"fees": "1.00", "cash": "-1.00"})]
            outcomes = await sink.deliver(dispatch(*rows))
            assert [isinstance(one, Delivered) for one in outcomes] == [True] * 29 + [False]
            assert outcomes[-1] == Rejected("account-or-dimension-unknown-2500")
            assert len(company.entries) == 29
            assert company.answered.total() == 2  # the token and the batch

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["late", "lost", "failed", "half-body", "html", "429", "500"])
@pytest.mark.parametrize("count", [1, 3])
def test_each_fault_ends_in_one_posting(tmp_path: Path, fault: str, count: int) -> None:
    """After a timeout, a reset or a 500 that did the work, the journal is looked up and never booked twice."""

    async def run() -> None:
        company = Company()
        async with books(tmp_path, company, timeout=0.4) as (sink, _):
            await sink.probe(entry(99))  # the token is there, so that the fault hits the posting
            company.late_seconds = 0.6
            company.fail(fault)
            rows = [entry(number) for number in range(1, count + 1)]
            outcomes = await settle(sink, INFO, rows)
            assert all(isinstance(one, Delivered) for one in outcomes.values())
            assert len(company.entries) == count

    asyncio.run(run())


def test_a_lost_request_id_memory_books_nothing_twice(tmp_path: Path) -> None:
    """When the system has forgotten the request id, the document number still tells a repeat."""

    async def run() -> None:
        async with books(tmp_path) as (sink, company):
            await sink.deliver(dispatch(entry(1)))
            company._replays.clear()
            (again,) = await sink.deliver(dispatch(entry(1)))
            assert isinstance(again, Delivered)
            assert len(company.entries) == 1

    asyncio.run(run())


def test_a_removed_entry_is_reversed_and_not_edited(tmp_path: Path) -> None:
    """Booked, taken back, booked again: three journals that add up to the last; what was never booked is left alone."""

    async def run() -> None:
        async with books(tmp_path) as (sink, company):
            rows = [entry(1), removed(1), entry(1, version=3)]
            outcomes = await settle(sink, INFO, rows)
            assert all(isinstance(one, Delivered) for one in outcomes.values())
            assert company.balances() == {"35": Decimal("1.25"), "84": Decimal("-1.25")}
            first, back, _ = company.entries.values()
            assert back["PrivateNote"] == f"Reversal of {first['DocNumber']}: remittance EFT1"
            (nothing,) = await sink.deliver(dispatch(removed(2)))
            assert nothing == Delivered("nothing to reverse: it was never booked")
            (edited,) = await sink.deliver(dispatch(entry(1, version=4, change="updated")))
            assert edited == Rejected("ledger-entry-edited")

    asyncio.run(run())


def test_refusals_wait_for_a_person_and_then_go_through(tmp_path: Path) -> None:
    """Closed books and a role without account are told by name; once mended, the same delivery is booked."""

    async def run() -> None:
        async with books(tmp_path) as (sink, company):
            company.closed_until = DAY
            assert await sink.deliver(dispatch(entry(1))) == [Rejected("books-closed")]
            company.closed_until = None
            (mended,) = await sink.deliver(dispatch(entry(1)))
            assert isinstance(mended, Delivered)
            company.receivables = frozenset({"84"})
            assert await sink.deliver(dispatch(entry(2))) == [Rejected("refused-6000")]
        async with books(tmp_path / "b", accounts={"cash": "35"}) as (sink, _):
            assert await sink.deliver(dispatch(entry(1))) == [Rejected("no-account-for-payer-receivable")]

    asyncio.run(run())


def test_receivable_lines_name_a_customer(tmp_path: Path) -> None:
    """Accounts that want a customer get the one of their role, never a patient."""

    async def run() -> None:
        async with books(tmp_path, customers={"payer-receivable": "12"}) as (sink, company):
            company.receivables = frozenset({"84"})
            (outcome,) = await sink.deliver(dispatch(entry(1)))
            assert isinstance(outcome, Delivered)

    asyncio.run(run())


def test_tokens_rotate_and_the_newest_is_on_disk_first(tmp_path: Path) -> None:
    """An expired access token is replaced once; a restart goes on from the file; the file is the owner's alone."""

    async def run() -> None:
        company = Company()
        async with books(tmp_path, company) as (sink, _):
            await sink.deliver(dispatch(entry(1)))
            company.oauth.expire()
            (outcome,) = await sink.deliver(dispatch(entry(2)))
            assert isinstance(outcome, Delivered)
            assert company.oauth.refreshed == 2
            with pytest.raises(InvalidConfiguration, match="Another route"):
                opened(company, tmp_path)
            company.oauth.expire()
            await sink.close()
            assert stat.S_IMODE((tmp_path / "token.json").stat().st_mode) == 0o600
            again = opened(company, tmp_path)
            (outcome,) = await again.deliver(dispatch(entry(3)))
            assert isinstance(outcome, Delivered)
            company.oauth.refresh_token = "someone-else-took-it"
            company.oauth.expire()
            (lost,) = await again.deliver(dispatch(entry(4)))
            assert lost == Retry("source-unavailable", 3600.0)
            await again.close()

    asyncio.run(run())


def test_patience_is_kept_when_the_company_asks_for_it(tmp_path: Path) -> None:
    """A 429 is a retry after a minute, and nothing was booked."""

    async def run() -> None:
        async with books(tmp_path, Company(RateBudget(requests=1, seconds=60.0))) as (sink, company):
            (outcome,) = await sink.deliver(dispatch(entry(1)))
            assert outcome == Retry("rate-limited", 60.0)
            assert company.entries == {}

    asyncio.run(run())
