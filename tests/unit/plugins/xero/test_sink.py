"""Manual journals in an organisation: each once, whatever happens on the way; what is refused says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.hookspecs import OpenSink
from gateway.model.exchange import Delivered, RateBudget, Rejected, Retry
from gateway_xero.config import XeroConfig
from gateway_xero.plugin import XeroSink
from gateway_xero.simulator import ORGANISATION, Organisation
from tests.unit.plugins.ledger_entries import ACCOUNTS, DAY, dispatch, entry, removed, settle

INFO = XeroSink.info


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERO_CLIENT", "simulated-client")
    monkeypatch.setenv("XERO_SECRET", "simulated-secret")
    monkeypatch.setenv("XERO_REFRESH", "refresh-0")


@asynccontextmanager
async def books(
    folder: Path, simulated: Organisation | None = None, **changes: Any
) -> AsyncIterator[tuple[OpenSink, Organisation]]:
    organisation = simulated or Organisation()
    await organisation.start()
    settings: dict[str, Any] = {
        "accounts": ACCOUNTS, "organisation": ORGANISATION, "client_id": "env:XERO_CLIENT",
        "client_secret": "env:XERO_SECRET", "refresh_token": "env:XERO_REFRESH", "token_file": folder / "token.json",
        "url": organisation.base_url, "token_url": f"{organisation.base_url}/connect/token", "allow_loopback": True,
        "dimensions": {"L1": {"location": "North", "class": "Therapy"}}, "tracking": {"location": "Clinic"},
        "timeout": 5.0,
    }  # fmt: skip
    sink = XeroSink().open("books", XeroConfig(**(settings | changes)))
    try:
        yield sink, organisation
    finally:
        await sink.close()
        await organisation.stop()


def test_an_entry_becomes_one_balanced_manual_journal(tmp_path: Path) -> None:
    """Debits are positive, the narration begins with the number, the clinic is an option; a repeat books nothing."""

    async def run() -> None:
        async with books(tmp_path) as (sink, organisation):
            for _ in range(2):
                (outcome,) = await sink.deliver(dispatch(entry(1)))
                assert isinstance(outcome, Delivered)
            (booked,) = organisation.journals.values()
            assert organisation.balances() == {"35": Decimal("1.25"), "84": Decimal("-1.25")}
            assert (booked["Status"], booked["Date"]) == ("POSTED", "2026-07-14")
            assert booked["Narration"].endswith(" remittance EFT1")
            assert booked["JournalLines"][0]["Tracking"] == [{"Name": "Clinic", "Option": "North"}]
            assert await sink.probe(entry(1)) == outcome
            assert await sink.probe(entry(2)) == Retry("not-booked")

    asyncio.run(run())


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("fault", ["late", "lost", "failed", "half-body", "html", "429", "500"])
def test_each_fault_ends_in_one_posting(tmp_path: Path, fault: str, *, forgets: bool) -> None:
    """Read back before any retry, so even an organisation that forgets its keys at once books nothing twice."""

    async def run() -> None:
        organisation = Organisation()
        organisation.forgets = forgets
        async with books(tmp_path, organisation, timeout=0.4) as (sink, _):
            await sink.probe(entry(99))
            organisation.late_seconds = 0.6
            organisation.fail(fault)
            outcomes = await settle(sink, INFO, [entry(number) for number in range(1, 4)])
            assert all(isinstance(one, Delivered) for one in outcomes.values())
            assert len(organisation.journals) == 3

    asyncio.run(run())


def test_a_removed_entry_is_reversed_and_not_edited(tmp_path: Path) -> None:
    """Booked, taken back, booked again: three journals that add up to the last; what was never booked is left alone."""

    async def run() -> None:
        async with books(tmp_path) as (sink, organisation):
            outcomes = await settle(sink, INFO, [entry(1), removed(1), entry(1, version=3), removed(2)])
            assert all(isinstance(one, Delivered) for one in outcomes.values())
            assert len(organisation.journals) == 3
            assert organisation.balances() == {"35": Decimal("1.25"), "84": Decimal("-1.25")}

    asyncio.run(run())


def test_a_voided_journal_is_not_taken_for_booked(tmp_path: Path) -> None:
    """A look-up passes over what a person voided."""

    async def run() -> None:
        async with books(tmp_path) as (sink, organisation):
            await sink.deliver(dispatch(entry(1)))
            next(iter(organisation.journals.values()))["Status"] = "VOIDED"
            assert await sink.probe(entry(1)) == Retry("not-booked")

    asyncio.run(run())


@pytest.mark.parametrize("asked", [40, 100, 1000])
def test_more_journals_than_a_page_are_looked_through(tmp_path: Path, asked: int) -> None:
    """The number is found on a later page of its day, also when the API gives fewer at a time than it is asked for."""

    async def run() -> None:
        async with books(tmp_path, page=asked) as (sink, organisation):
            for number in range(250):
                organisation.journals[f"other-{number}"] = {"Date": "2026-07-14", "Narration": f"other {number}"}
            await sink.deliver(dispatch(entry(1)))
            assert isinstance(await sink.probe(entry(1)), Delivered)

    asyncio.run(run())


def test_refusals_say_what_they_are_about_and_can_be_mended(tmp_path: Path) -> None:
    """Locked books and an unknown account are told by name; once mended, the same delivery is booked."""

    async def run() -> None:
        accounts = frozenset(ACCOUNTS.values()) - {"91"}
        async with books(tmp_path, Organisation(accounts=accounts)) as (sink, organisation):
            organisation.locked_until = DAY
            assert await sink.deliver(dispatch(entry(1))) == [Rejected("books-closed")]
            organisation.locked_until = None
            assert isinstance((await sink.deliver(dispatch(entry(1))))[0], Delivered)
            bad = entry(2, {"fees": "1.00", "cash": "-1.00"})
            assert await sink.deliver(dispatch(bad)) == [Rejected("account-unknown-or-not-allowed")]

    asyncio.run(run())


def test_the_words_of_refusals_are_settings(tmp_path: Path) -> None:
    """What a validation message is about follows the settings; one that no word matches is only refused."""

    async def run() -> None:
        async with books(tmp_path, refusals={"period lock": "period-locked"}) as (sink, organisation):
            organisation.locked_until = DAY
            assert await sink.deliver(dispatch(entry(1))) == [Rejected("period-locked")]
        (other := tmp_path / "other").mkdir()
        async with books(other, refusals={}) as (sink, organisation):
            organisation.locked_until = DAY
            assert await sink.deliver(dispatch(entry(1))) == [Rejected("validation-failed")]

    asyncio.run(run())


def test_limits_tenant_and_tokens_are_minded(tmp_path: Path) -> None:
    """A 429 stops the rest of a dispatch; another organisation is refused; an expired token is replaced once."""

    async def run() -> None:
        async with books(tmp_path, Organisation(RateBudget(requests=2, seconds=60.0))) as (sink, organisation):
            outcomes = await sink.deliver(dispatch(entry(1), entry(2), entry(3)))
            assert isinstance(outcomes[0], Delivered)
            assert outcomes[1:] == [Retry("rate-limited", 60.0)] * 2
            assert organisation.answered[429] == 1
        async with books(tmp_path / "b", organisation="another") as (sink, _):
            assert await sink.deliver(dispatch(entry(1))) == [Retry("not-authorized", 3600.0)]
        async with books(tmp_path / "c") as (sink, organisation):
            await sink.probe(entry(1))
            organisation.oauth.expire()
            assert isinstance((await sink.deliver(dispatch(entry(1))))[0], Delivered)
            assert organisation.oauth.refreshed == 2

    asyncio.run(run())
