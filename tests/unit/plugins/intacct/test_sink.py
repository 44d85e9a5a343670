"""General ledger batches in a company: each once, whatever happens on the way; what is refused says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from gateway.hookspecs import OpenSink
from gateway.model.exchange import Delivered, Rejected, Retry
from gateway_intacct.config import IntacctConfig
from gateway_intacct.plugin import IntacctSink
from gateway_intacct.simulator import COMPANY, PASSWORD, PATH, SENDER, SENDER_PASSWORD, USER, Ledger
from gateway_intacct.sink import _same_house
from gateway_intacct.translate import response
from tests.unit.plugins.ledger_entries import ACCOUNTS, DAY, dispatch, entry, removed, settle

INFO = IntacctSink.info


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTACCT_SENDER", SENDER_PASSWORD)
    monkeypatch.setenv("INTACCT_USER", PASSWORD)


@asynccontextmanager
async def books(simulated: Ledger | None = None, **changes: Any) -> AsyncIterator[tuple[OpenSink, Ledger]]:
    ledger = simulated or Ledger()
    await ledger.start()
    settings: dict[str, Any] = {
        "accounts": ACCOUNTS, "sender_id": SENDER, "sender_password": "env:INTACCT_SENDER", "company": COMPANY,
        "user": USER, "password": "env:INTACCT_USER", "url": f"{ledger.base_url}{PATH}", "allow_loopback": True,
        "dimensions": {"*": {"location": "100", "department": "D1"}}, "timeout": 5.0,
    }  # fmt: skip
    sink = IntacctSink().open("books", IntacctConfig(**(settings | changes)))
    try:
        yield sink, ledger
    finally:
        await sink.close()
        await ledger.stop()


def test_an_answer_that_does_not_say_that_it_was_done_is_not_understood() -> None:
    """A result without a status, and statuses other than success, are no bookings."""
    bare = b"<response><operation><result><key>7</key></result></operation></response>"
    assert response(bare) is None
    refused = response(bare.replace(b"<result>", b"<result><status>failure</status>"))
    assert refused is not None
    assert refused.level == "result"


def test_an_entry_becomes_one_balanced_batch() -> None:
    """Debits and credits, date, reference and dimensions arrive; a repeat books nothing; one session serves all."""

    async def run() -> None:
        async with books() as (sink, ledger):
            for _ in range(2):
                (outcome,) = await sink.deliver(dispatch(entry(1)))
                assert isinstance(outcome, Delivered)
            (batch,) = ledger.batches.values()
            assert ledger.balances() == {"35": Decimal("1.25"), "84": Decimal("-1.25")}
            assert (batch.findtext("BATCH_DATE"), batch.findtext("JOURNAL")) == ("07/14/2026", "GJ")
            line = batch.find("ENTRIES/GLENTRY")
            assert line is not None
            assert (line.findtext("LOCATION"), line.findtext("DEPARTMENT")) == ("100", "D1")
            assert await sink.probe(entry(1)) == outcome
            assert await sink.probe(entry(2)) == Retry("not-booked")
            assert len(ledger.sessions) == 1

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["late", "lost", "failed", "half-body", "html", "500"])
def test_each_fault_ends_in_one_posting(fault: str) -> None:
    """After a timeout, a reset or a 500 that did the work, the batch is looked up and never booked twice."""

    async def run() -> None:
        ledger = Ledger()
        async with books(ledger, timeout=0.4) as (sink, _):
            await sink.probe(entry(99))
            ledger.late_seconds = 0.6
            ledger.fail(fault)
            outcomes = await settle(sink, INFO, [entry(number) for number in range(1, 4)])
            assert all(isinstance(one, Delivered) for one in outcomes.values())
            assert len(ledger.batches) == 3

    asyncio.run(run())


def test_a_removed_entry_is_reversed_and_not_edited() -> None:
    """Booked, taken back, booked again: three batches that add up to the last; what was never booked is left alone."""

    async def run() -> None:
        async with books() as (sink, ledger):
            outcomes = await settle(sink, INFO, [entry(1), removed(1), entry(1, version=3), removed(2)])
            assert all(isinstance(one, Delivered) for one in outcomes.values())
            assert len(ledger.batches) == 3
            assert ledger.balances() == {"35": Decimal("1.25"), "84": Decimal("-1.25")}

    asyncio.run(run())


def test_refusals_wait_for_a_person_and_then_go_through() -> None:
    """Closed books are refused with the number; once open, the same delivery is booked under a new control id."""

    async def run() -> None:
        async with books(Ledger(frozenset(ACCOUNTS.values()) - {"91"})) as (sink, ledger):
            ledger.closed_until = DAY
            assert await sink.deliver(dispatch(entry(1))) == [Rejected("refused-BL03002004")]
            ledger.closed_until = None
            assert isinstance((await sink.deliver(dispatch(entry(1))))[0], Delivered)
            bad = entry(2, {"fees": "1.00", "cash": "-1.00"})
            assert await sink.deliver(dispatch(bad)) == [Rejected("refused-BL03000130")]

    asyncio.run(run())


def test_a_session_that_ended_is_opened_anew_and_a_wrong_password_waits() -> None:
    """Nobody notices the end of a session; a wrong password is not tried over and over."""

    async def run() -> None:
        async with books() as (sink, ledger):
            await sink.deliver(dispatch(entry(1)))
            ledger.sessions.clear()
            assert isinstance((await sink.deliver(dispatch(entry(2))))[0], Delivered)
        async with books(user="nobody", wait=7200) as (sink, _):
            assert await sink.deliver(dispatch(entry(1))) == [Retry("sign-in-refused", 7200.0)]
        async with books(sign_in_errors=frozenset()) as (sink, ledger):
            await sink.deliver(dispatch(entry(1)))
            ledger.sessions.clear()
            assert not isinstance((await sink.deliver(dispatch(entry(2))))[0], Delivered)

    asyncio.run(run())


def test_an_endpoint_elsewhere_is_not_visited() -> None:
    """A session may move to a neighbour of the same domain over TLS, and nowhere else."""
    url = "https://api.intacct.com/ia/xml/xmlgw.phtml"
    assert _same_house("https://eu1.intacct.com/ia/xml/xmlgw.phtml", url)
    assert not _same_house("http://eu1.intacct.com/", url)
    assert not _same_house("https://intacct.com.example.org/", url)
    assert not _same_house("https://evilintacct.com/", url)


def test_a_response_is_read_at_three_levels_and_never_trusted() -> None:
    """Failure of request, sign-in or function is seen; entities, other roots and cut documents are no response."""
    ok = "<control><status>success</status></control>"
    failed = "<errormessage><error><errorno>PL04000055</errorno></error></errormessage>"
    signed = "<operation><authentication><status>failure</status></authentication></operation>"
    for level, inner in (
        ("control", f"<control><status>failure</status></control>{failed}"),
        ("authentication", f"{ok}{signed}{failed}"),
        ("result", f"{ok}<operation><result><status>aborted</status>{failed}</result></operation>"),
        ("operation", f"{ok}<operation>{failed}</operation>"),
    ):  # fmt: skip
        told = response(f"<response>{inner}</response>".encode())
        assert told is not None
        assert (told.level, told.error) == (level, "PL04000055")
    assert response(b'<!DOCTYPE r [<!ENTITY a "b">]><response>&a;</response>') is None
    assert response(b"<response><control>") is None
    assert response(b"<other/>") is None
