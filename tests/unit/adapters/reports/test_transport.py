"""Reports out of a folder and over HTTP: stored before they are moved or answered, refused with what lacks."""

from __future__ import annotations

import asyncio

import pytest

from gateway.model.exchange import HookRequest
from gateway.testing.recording_intake import RecordingIntake
from gateway_reports.config import ReportsConfig
from gateway_reports.plugin import ReportsAdapter
from gateway_reports.simulator import appointments, as_csv, as_workbook
from tests.unit.adapters.reports.test_records import CLINIC
from tests.waiting import until

ADAPTER = ReportsAdapter()
GOOD = as_csv(appointments(CLINIC))


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTS_TOKEN", "upload-token")


def test_a_dropped_report_is_stored_and_moved(tmp_path) -> None:
    """A good one goes to the archive; another to failed, beside a note that lists what lacks, and quarantine tells."""

    async def run() -> RecordingIntake:
        config, intake, told = ReportsConfig(system="jane", folder=tmp_path, settle_seconds=0.02), RecordingIntake(), []
        (transport,) = ADAPTER.transports("north", config)
        (tmp_path / "a.xlsx").write_bytes(as_workbook(appointments(CLINIC)))
        (tmp_path / "b.csv").write_bytes(b"id,patient_number,start_at\n1,2,3\n")
        running = asyncio.create_task(transport.run(intake, lambda: told.append(1)))
        await until(lambda: (tmp_path / "failed" / "b.csv").exists() and (tmp_path / "archive" / "a.xlsx").exists())
        running.cancel()
        assert told == [1]
        return intake

    intake = asyncio.run(asyncio.wait_for(run(), 120))
    assert len(intake.items) == len(CLINIC.visits)
    assert "state" in (tmp_path / "failed" / "b.csv.reason.txt").read_text()
    assert [one.reason for one in intake.findings] == ["columns-missing"]


@pytest.mark.parametrize(
    ("body", "token", "method", "fails", "status"),
    [
        (GOOD, "upload-token", "POST", 0, 200),
        (GOOD, "other", "POST", 0, 401),
        (GOOD, "upload-token", "GET", 0, 405),
        (b"no,such,report\n", "upload-token", "POST", 0, 400),
        (b"", "upload-token", "POST", 0, 200),
    ],
)
def test_an_upload_is_answered_by_what_became_of_it(body, token, method, fails, status) -> None:
    """200 with counts once stored; refusals store nothing."""

    async def run() -> None:
        intake = RecordingIntake()
        receiver = ADAPTER.hooks("north", ReportsConfig(system="jane", upload_token="env:REPORTS_TOKEN"))
        intake.fail_next = fails
        headers = {"authorization": f"Bearer {token}"}
        given = HookRequest(
            method=method, path="visits.csv", query="", headers=headers, body=body, url="https://gw.example/hooks/north"
        )
        answer = await receiver.receive(given, intake)
        assert answer.status == status
        assert len(intake.items) == (len(CLINIC.visits) if status == 200 and body else 0)

    asyncio.run(run())


def test_without_settings_nothing_listens() -> None:
    """No folder, no watcher; no token, no receiver."""
    config = ReportsConfig(system="jane")
    assert (list(ADAPTER.transports("north", config)), ADAPTER.hooks("north", config)) == ([], None)
