"""The mailbox and the folder: files come in once, old ones change nothing, silence is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.exchange import HookRequest
from gateway.testing.recording_intake import RecordingIntake
from gateway_webpt.simulator import table
from gateway_webpt.transport import Dropped, Extracts, Mailbox, transports
from tests.unit.adapters.webpt.extract import ADAPTER, config
from tests.unit.adapters.webpt.test_transport_nights import row
from tests.unit.transport.mailbox import mailbox
from tests.waiting import PATIENCE

NOW = datetime(2026, 7, 14, 8, tzinfo=UTC)


async def until(ready, task) -> None:
    async with asyncio.timeout(PATIENCE):
        while not ready():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def kinds(intake: RecordingIntake) -> list[str]:
    return [item.kind for item in intake.items]


def test_a_file_without_a_night_in_its_name_is_known_again_by_its_bytes():
    """The same bytes under any name and time are taken once: an old file sent again makes nothing stale new."""
    intake, extracts = RecordingIntake(), Extracts("north", config(), lambda: NOW)
    one, two = (table("appointments", [row("1", 12, reason=reason)]) for reason in ("a", "b"))

    async def run():
        for at, data in enumerate([one, two, one]):
            await extracts.take(intake, "appointments.csv", 1000.0 * at, iter([data]))

    asyncio.run(run())
    assert kinds(intake) == ["appointments", "extract"] * 2


class Unhurried(RecordingIntake):
    """Lets others run before it answers, as a store does."""

    async def cursor(self, stream: str) -> str | None:
        await asyncio.sleep(0.02)
        return await super().cursor(stream)


@pytest.mark.parametrize(("second", "rows"), [("north", 1), ("south", 2)], ids=["one source", "two sources"])
def test_nights_that_come_by_two_ways_at_once_take_turns(second, rows):
    """The later night is compared with the earlier one: a row that is the same in both is stored once a source."""
    nights = [table("appointments", [row("1", 12)])] * 2
    intakes = {"north": Unhurried(), "south": Unhurried()}
    ways = [(name, Extracts(name, config(), lambda: NOW)) for name in ("north", second)]

    async def run():
        await asyncio.gather(
            *(
                way.take(intakes[name], f"appointments_2026071{day}.csv", 0.0, iter([data]))
                for day, ((name, way), data) in enumerate(zip(ways, nights, strict=True))
            )
        )

    asyncio.run(run())
    assert [kind for one in intakes.values() for kind in kinds(one)].count("appointments") == rows


def test_the_mailbox_is_read_and_left_as_it_was(tmp_path):
    """Files stay where they are by default; their rows are in, with a summary of each file."""
    intake = RecordingIntake()

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            chosen = config(sftp=account.model_dump(), settle_seconds=0.01, poll_seconds=0.05)
            (server.folder / "appointments_20260714.csv").write_bytes(table("appointments", [row("1", 12)]))
            (server.folder / "notes.pdf").write_bytes(b"%PDF")
            (transport,) = transports("night", chosen)
            assert isinstance(transport, Mailbox)
            task = asyncio.create_task(transport.run(intake, lambda: None))
            await until(lambda: "mailbox" in intake.cursors, task)
            return sorted(path.name for path in server.folder.iterdir())

    assert asyncio.run(run()) == ["appointments_20260714.csv", "notes.pdf"]
    assert kinds(intake) == ["appointments", "extract"]


def test_a_dropped_file_is_archived_and_a_strange_one_fails(tmp_path):
    """The folder works as every drop folder does."""
    intake = RecordingIntake()
    (tmp_path / "appointments_20260714.csv").write_bytes(table("appointments", [row("1", 12)]))
    (tmp_path / "other.csv").write_text("colour\nred\n")

    async def run():
        dropped = Dropped("north", config(settle_seconds=0.02), tmp_path, lambda: NOW)
        task = asyncio.create_task(dropped.run(intake, lambda: None))
        await until(lambda: (tmp_path / "archive/appointments_20260714.csv").exists()
                    and (tmp_path / "failed/other.csv").exists(), task)  # fmt: skip

    asyncio.run(run())
    assert kinds(intake) == ["appointments", "extract"]
    assert "no-table" in (tmp_path / "failed/other.csv.reason.txt").read_text()
    assert [one.reason for one in intake.findings] == ["no-table"]


PAYMENTS = 'Date of Transaction,Amount Paid,Patient Name,Charge Type\n07/14/2026,$20.00,"Roe, Jane",Copay\n'


@pytest.mark.parametrize(
    ("body", "token", "method", "status", "said"),
    [
        (PAYMENTS, "upload-token", "POST", 200, '{"rows":2,"findings":0}'),
        (PAYMENTS, "other", "POST", 401, ""),
        (PAYMENTS, "upload-token", "GET", 405, ""),
        (PAYMENTS.replace(",Charge Type", ",Kind"), "upload-token", "POST", 400, "patient_payments: charge_type"),
        ("colour\nred\n", "upload-token", "POST", 400, "no-table"),
    ],
)  # fmt: skip
def test_an_uploaded_report_is_answered_by_what_became_of_it(monkeypatch, body, token, method, status, said):
    """200 with counts once stored, its summary among them; a header that falls short is told what it lacks."""
    monkeypatch.setenv("WEBPT_TOKEN", "upload-token")
    intake = RecordingIntake()
    receiver = ADAPTER.hooks("north", config(upload_token="env:WEBPT_TOKEN"))
    request = HookRequest(
        method=method, path="payments.csv", query="", headers={"authorization": f"Bearer {token}"},
        body=body.encode(), url="https://gateway.example/hooks/north",
    )  # fmt: skip
    answer = asyncio.run(receiver.receive(request, intake))
    assert (answer.status, said in answer.body.decode()) == (status, True)
    assert kinds(intake) == (["patient_payments", "extract"] if status == 200 else [])
    assert "Jane" not in answer.body.decode()


def test_without_a_token_no_upload_is_taken():
    """Nothing listens that was not asked for."""
    assert ADAPTER.hooks("north", config()) is None


def test_silence_from_the_first_look_on_is_told():
    """A mailbox in which nothing ever appears raises the alarm, and once only."""
    intake, now = RecordingIntake(), [NOW]

    async def run():
        for hours in (0, 20, 40, 60):
            now[0] = NOW + timedelta(hours=hours)
            await Extracts("north", config(), lambda: now[0]).watch(intake)

    asyncio.run(run())
    assert [(one.reason, one.where) for one in intake.findings] == [("extract-late", "any table")]
