"""Polling the simulated account over real sockets: everything once, changes as they come, lies survived."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from gateway import model
from gateway.errors import InvalidConfiguration, SourceUnavailable, StoreUnavailable
from gateway.model.exchange import RateBudget
from gateway.model.identity import Ref
from gateway.testing.recording_intake import RecordingIntake
from gateway_cliniko.simulator import API_KEY, ClinikoSimulator
from gateway_cliniko.transport import shard
from tests.unit.adapters.cliniko.account import ADAPTER, APPOINTMENTS, CLINIC, Account, config, normalize, with_account
from tests.waiting import until

WITH = normalize()
JOINED = {
    "practitioner_with_numbers": "practitioners",
    "invoice_with_items": "invoices",
    "group_attendance": "group_appointments",
}


def ids(items, kind: str) -> set[str]:
    return {msgspec.json.decode(item.body)["id"] for item in items if item.kind == kind}


def field(item, name: str):
    return msgspec.json.decode(item.body)[name]


def test_a_full_sync_brings_every_row_once() -> None:
    """The first poll stores each row of each list exactly once, hidden ones too, byte for byte."""

    async def body(account: Account) -> None:
        account.simulator.touch("practitioners", next(iter(account.held("practitioners"))), active=False)
        account.simulator.touch("patients", next(iter(account.held("patients"))), archived_at="2026-06-01T00:00:00Z")
        items = await account.poll()
        for table in ("patients", "businesses", APPOINTMENTS, "contacts", "patient_cases", "communications"):
            assert ids(items, table) == set(account.held(table))
        for kind, table in JOINED.items():
            assert {field(item, "of")["id"] for item in items if item.kind == kind} == set(account.held(table))
        assert max(Counter(item.control_id for item in items).values()) == 1
        plain = [item for item in items if item.kind not in JOINED]
        assert all(msgspec.json.decode(item.body) in account.held(item.kind).values() for item in plain)

    with_account(body)


def test_a_small_page_size_gives_the_same() -> None:
    """Pages of seven rows, many of them changed in the same second, lose and double nothing."""

    async def body(account: Account) -> None:
        for row in list(account.held("patients").values())[:40]:
            row["updated_at"] = "2026-01-02T03:04:05Z"
        items = await account.poll("patients")
        assert ids(items, "patients") == set(account.held("patients"))
        assert len(items) == len(account.held("patients"))

    with_account(body, per_page=7)


def test_rows_that_move_while_pages_are_read_are_not_missed() -> None:
    """A row changed between two pages shifts all offsets; every row still arrives."""

    async def body(account: Account) -> None:
        patients = list(account.held("patients"))
        accept, moved = account.intake.accept, iter(patients)

        async def accept_and_change(items, **more):
            account.tick(1)
            account.simulator.touch("patients", next(moved), title="Dr")
            return await accept(items, **more)

        account.intake.accept = accept_and_change
        items = await account.poll("patients")
        assert ids(items, "patients") == set(patients)

    with_account(body, per_page=10)


def test_nothing_new_means_nothing_stored() -> None:
    """Polling again brings no message, neither at once nor after a restart with another look at the overlap."""

    async def body(account: Account) -> None:
        await account.poll()
        account.tick()
        assert await account.poll() == []
        account.restart()
        assert await account.poll() == []

    with_account(body)


def test_cancellations_archives_and_deletions_are_seen() -> None:
    """Rows that the lists hide by default arrive with their marks and mean cancelled or removed."""

    async def body(account: Account) -> None:
        await account.poll()
        account.tick()
        first, second, third = list(account.held(APPOINTMENTS))[:3]
        account.simulator.cancel(first, reason=30)
        account.simulator.touch(APPOINTMENTS, second, archived_at="2026-06-01T12:01:00Z")
        account.simulator.touch(APPOINTMENTS, third, deleted_at="2026-06-01T12:01:00Z")
        items = {field(item, "id"): item for item in await account.poll(APPOINTMENTS)}
        assert set(items) == {first, second, third}
        meant = {id: WITH(item.body, item.context).patches[0] for id, item in items.items()}
        assert (meant[first].fields["status"], meant[first].fields["cancel_reason"]) == ("cancelled", "illness")
        assert (meant[second].operation, meant[third].operation) == ("remove", "remove")

    with_account(body)


@pytest.mark.parametrize("fault", ["429", "500", "html", "half-body"])
def test_a_passing_fault_costs_nothing_but_time(fault: str) -> None:
    """Two bad answers in a row are tried again within the poll."""

    async def body(account: Account) -> None:
        account.simulator.fail(fault, 2)
        items = await account.poll("patients")
        assert ids(items, "patients") == set(account.held("patients"))

    with_account(body, attempts=3)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("429", "request budget"),
        ("500", "status 500"),
        ("html", "instead of JSON"),
        ("half-body", "within an answer"),
        ("wrong-total", "another number of items"),
        ("looping-links", "loop"),
    ],
)
def test_a_lasting_fault_is_told_and_loses_nothing(fault: str, says: str) -> None:
    """The poll fails with its reason; when the source is well again, every row is there once."""

    async def body(account: Account) -> None:
        account.simulator.fail(fault, 500)
        with pytest.raises(SourceUnavailable, match=says):
            await account.poll("patients")
        account.simulator.heal()
        await account.poll("patients")
        assert ids(account.intake.items, "patients") == set(account.held("patients"))
        assert len(account.intake.items) == len(account.held("patients"))

    with_account(body, per_page=40)


@pytest.mark.parametrize(
    ("status", "answer", "fix"),
    [
        (400, {"message": "recall_at is not filterable"}, ""),
        (401, {"message": "Erin Example"}, "credential"),
        (403, {"error": "Erin Example"}, "credential"),
        (404, {"message": "Not found"}, ""),
        (422, {"message": "Validation Failed", "errors": {"title": "Erin Example"}}, ""),
    ],
)
def test_what_the_vendor_refuses_is_told_at_once_without_its_words(status: int, answer: dict, fix: str) -> None:
    """Asking again would change nothing: one request, the status and the list, and a cure where there is one."""

    async def body(account: Account) -> None:
        account.simulator.refusal = lambda _: web.json_response(answer, status=status)
        with pytest.raises(SourceUnavailable, match=rf"{status}.* at 127\.0\.0\.1/v1/patients") as raised:
            await account.poll("patients")
        assert fix in raised.value.fix
        assert "Example" not in str(raised.value)
        assert account.simulator.answered == {status: 1}

    with_account(body, attempts=3)


def test_the_cursor_stays_where_answers_are_in_doubt() -> None:
    """Rows of a page whose count or order is false are stored, but the cursor does not follow them."""

    async def body(account: Account) -> None:
        account.simulator.fail("wrong-total")
        with pytest.raises(SourceUnavailable, match="another number"):
            await account.poll("businesses")
        api = account.streams["patients"]._api
        honest = api.url
        api.url = lambda source, filters: honest(source, filters).update_query(sort="updated_at:desc")
        with pytest.raises(SourceUnavailable, match="order or filter"):
            await account.poll("patients")
        assert account.intake.cursors == {}
        assert len(account.intake.items) == len(CLINIC.places) + 100
        api.url = honest
        account.restart()
        await account.poll("businesses", "patients")
        assert ids(account.intake.items, "patients") == set(account.held("patients"))

    with_account(body)


def test_duplicate_ids_are_stored_once() -> None:
    """The same row twice on a page is one message."""

    async def body(account: Account) -> None:
        first = next(iter(account.held("patients").values()))
        account.held("patients")["again"] = first
        await account.poll("patients")
        assert len(account.intake.items) == len(account.held("patients")) - 1

    with_account(body)


def test_an_unreadable_row_does_not_stop_the_others() -> None:
    """A row without id or time becomes one finding with its bytes; the rest goes on and the cursor moves."""

    async def body(account: Account) -> None:
        account.held("businesses")["broken"] = {"id": None, "updated_at": "2026-02-01T00:00:00Z", "notes": "x"}
        await account.poll("businesses")
        assert len(account.intake.items) == len(CLINIC.places)
        assert [finding.reason for finding in account.intake.findings] == ["unreadable-item"]
        assert b'"notes"' in account.intake.findings[0].body
        await account.poll("businesses")
        assert len(account.intake.findings) == 1

    with_account(body)


def test_a_row_dated_in_the_future_hides_nothing() -> None:
    """The cursor never passes the clock, so changes made before the false date are still seen."""

    async def body(account: Account) -> None:
        rows = list(account.held("patients").values())
        rows[0]["updated_at"] = "2099-01-01T00:00:00Z"
        await account.poll("patients")
        assert account.intake.cursors["patients"] <= "2026-06-01T12:00:00Z"
        account.tick()
        account.simulator.touch("patients", rows[1]["id"], title="Dr")
        assert len(await account.poll("patients")) == 1

    with_account(body)


def test_a_failed_commit_moves_no_cursor() -> None:
    """When the store cannot commit, the poll fails, and the next one brings what was not stored."""

    async def body(account: Account) -> None:
        for _ in range(4):
            account.intake.fail_next = 1
            with pytest.raises(StoreUnavailable):
                await account.poll("patients")
        assert account.intake.items == []
        assert account.intake.cursors == {}
        await account.poll("patients")
        account.tick()
        changed = next(iter(account.held("patients")))
        account.simulator.touch("patients", changed, title="Dr")
        account.intake.fail_next = 1
        with pytest.raises(StoreUnavailable):
            await account.poll("patients")
        assert ids(await account.poll("patients"), "patients") == {changed}

    with_account(body, per_page=50)


def test_a_cursor_covers_only_what_was_stored() -> None:
    """Whichever page fails to commit, a restart from the cursor still brings every row."""

    async def body(account: Account) -> None:
        accept, calls = account.intake.accept, 0

        async def every_third_fails(items, **more):
            nonlocal calls
            calls += 1
            account.intake.fail_next = int(calls % 3 == 0)
            return await accept(items, **more)

        account.intake.accept = every_third_fails
        for _ in range(30):
            account.restart()
            try:
                await account.poll("patients")
            except StoreUnavailable:
                continue
            break
        assert ids(account.intake.items, "patients") == set(account.held("patients"))

    with_account(body, per_page=20)


def test_the_vendor_never_has_to_refuse() -> None:
    """A sync of many small pages stays within a limit of thirty requests per half second, as the simulator counts."""

    async def body(account: Account) -> None:
        began = time.monotonic()
        await account.poll("patients", APPOINTMENTS)
        assert account.simulator.answered[429] == 0
        assert account.simulator.answered[200] > 60
        assert time.monotonic() - began > 1.0

    with_account(body, budget=RateBudget(requests=30, seconds=0.5), per_page=7)


def test_control_ids_name_no_patient() -> None:
    """A patient's id is an order key, sealed with the message, and never a control id."""

    async def body(account: Account) -> None:
        items = await account.poll()
        assert {item.order_key for item in items if item.kind == "patients"} == set(account.held("patients"))
        for item in items:
            assert not set(item.control_id.split(":")) & set(account.held("patients"))

    with_account(body)


def test_the_configured_transport_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """From settings alone the adapter's transport signs in, polls all lists and stops when cancelled."""

    async def run() -> tuple[RecordingIntake, ClinikoSimulator]:
        simulator, intake = ClinikoSimulator(CLINIC), RecordingIntake()
        await simulator.start()
        monkeypatch.setenv("CLINIKO_KEY", API_KEY)
        settings = config(base_url=simulator.base_url, poll_seconds=0.05)
        (transport,) = ADAPTER.transports("north", settings)
        task = asyncio.create_task(transport.run(intake, lambda: None))
        await until(lambda: len(ids(intake.items, APPOINTMENTS)) >= len(CLINIC.visits))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await simulator.stop()
        return intake, simulator

    intake, simulator = asyncio.run(run())
    assert len(ids(intake.items, APPOINTMENTS)) == len(CLINIC.visits)
    assert set(simulator.answered) == {200}


def test_a_key_that_was_replaced_in_its_file_counts_without_a_restart(tmp_path: Path) -> None:
    """The vendor takes only the new key from now on: the first refusal brings it in, and no look is lost."""

    async def run() -> Counter[int]:
        simulator, intake, file = ClinikoSimulator(CLINIC), RecordingIntake(), tmp_path / "key"
        await simulator.start()
        file.write_text(API_KEY)
        settings = config(base_url=simulator.base_url, poll_seconds=0.05, api_key=f"file:{file}")
        (transport,) = ADAPTER.transports("north", settings)
        task = asyncio.create_task(transport.run(intake, lambda: None))
        await until(lambda: len(ids(intake.items, "patients")) >= len(CLINIC.patients))
        file.write_text("renewed-au2")
        simulator._basic = ClinikoSimulator(CLINIC, api_key="renewed-au2")._basic
        before = simulator.answered[200]
        await until(lambda: simulator.answered[200] > before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await simulator.stop()
        return simulator.answered

    assert asyncio.run(run())[401] >= 1


@pytest.mark.parametrize(
    ("key", "expected"), [("abc-au2", "au2"), ("abc-UK1", "uk1"), ("a-b-eu10", "eu10"), ("abcdef", "au1")]
)
def test_the_key_names_its_shard(key: str, expected: str) -> None:
    """The suffix becomes part of a host name; a key without one belongs to the first shard."""
    assert shard(key) == expected


@pytest.mark.parametrize("key", ["abc-evil.example.com/", "abc-au2.x", "abc-", "abc-au123", "abc-a٣2", "abc-au2\n"])
def test_a_pasted_key_cannot_choose_the_host(key: str) -> None:
    """Anything but a shard after the last hyphen is refused, without repeating it."""
    with pytest.raises(InvalidConfiguration) as caught:
        shard(key)
    assert key not in str(caught.value)


def test_everything_that_comes_makes_valid_records() -> None:
    """Each message of the whole account folds into records of the canonical model, or says why it makes none."""

    async def body(account: Account) -> None:
        unmade: Counter[str] = Counter()
        for item in await account.poll():
            result = WITH(item.body, item.context)
            unmade[item.kind] += result.suppressed is not None
            for one in result.patches:
                fields = {name: plain(value) for name, value in one.fields.items()}
                assert one.operation != "upsert" or model.fold(one.type, None, fields) is not None
        assert {kind for kind, count in unmade.items() if count} == {"contacts", "communications"}

    with_account(body)


def plain(value):
    return value.native_id if isinstance(value, Ref) else value
