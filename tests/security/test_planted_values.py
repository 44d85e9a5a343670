"""A thousand planted values on the ways in and out that need a peer: none is in a log, an error, an address or a file.

`tests/end_to_end/test_no_patient_values.py` does the same with the real processes of the demo.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from gateway import logs
from gateway.errors import MalformedEnvelope
from gateway.flow.call import Caller
from gateway.hookspecs import OpenSink
from gateway.model.exchange import Delivered, Delivery, Dispatch, Finding, SinkInfo
from gateway.registry import Registry
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.sftp_inbox import SftpInbox
from gateway_clearinghouse.simulator import ClearinghouseSimulator
from gateway_quickbooks.simulator import Company
from gateway_twilio.simulator import TwilioSimulator
from gateway_x12.simulator import file_835
from tests.integration.parts import ROUTE, Parts, Place, Written, appointment, deliver_all, message, patient
from tests.integration.serving import serving
from tests.integration.test_http_feed import add_client
from tests.planted import forms
from tests.unit.plugins.clearinghouse import test_sink as clearing
from tests.unit.plugins.ledger_entries import entry
from tests.unit.plugins.quickbooks import test_sink as books
from tests.unit.plugins.twilio import test_sink as texts
from tests.unit.plugins.twilio.due import delivery as reminder
from tests.unit.transport.mailbox import mailbox
from tests.waiting import PATIENCE

MARK = "Zqvarthmob"
"""Long enough that random bytes of an encrypted file hold none of its forms."""
FORM = re.compile(b"|".join(map(re.escape, forms(MARK))))
PLANTED = 1000


class Values:
    """Values that begin alike and occur nowhere else; each is used once."""

    def __init__(self) -> None:
        self._rnd = random.Random(49)
        self.given: set[str] = set()

    def __call__(self) -> str:
        made = f"{MARK}{self._rnd.randrange(16**8):08x}"
        self.given.add(made)
        return made


def hits(where: str, content: bytes) -> list[str]:
    """Where a planted value stands, with what is around it."""
    found = FORM.finditer(content.lower())
    return [f"{where}: {content[max(0, hit.start() - 40) : hit.end() + 20]!r}" for hit in found]


@pytest.fixture
def values() -> Values:
    """A new set."""
    return Values()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A gateway on the embedded store."""
    (tmp_path / "gateway").mkdir()
    opened = Place(tmp_path / "gateway", "embedded").open()
    yield opened
    opened.close()


def over_http(parts: Parts, values: Values) -> list[str]:
    """Hooks that are no message, and wrong requests to feed and FHIR; what a hook's sender or a failure is told."""
    parts.take(
        *(message(patient(values(), values()), appointment(values(), values(), reason=values())) for _ in range(100))
    )
    parts.take(message(patient(values(), values()), told={"fault": "defect"}, context=values().encode()))
    deliver_all(parts.delivering(Written()))
    found = []
    with serving(parts) as served:
        for _ in range(40):
            hook = served.ask(f"/hooks/told/{values()}?name={values()}", method="POST", body=values().encode())
            found += hits("hook", hook.body)
        served.key = add_client(parts)[1]
        for _ in range(20):
            for path in (
                f"/v1/changes?cursor={values()}", f"/v1/changes?{values()}=1", f"/v1/records/Patient/{values()}",
                f"/v1/records/{values()}", f"/fhir/Patient/{values()}", f"/fhir/{values()}",
                f"/fhir/Patient?{values()}=1", f"/fhir/Appointment?date={values()}",
                f"/fhir/Appointment?_lastUpdated={values()}", f"/fhir/Patient?_count={values()}", f"/{values()}",
            ):  # fmt: skip
                answer = served.ask(path, key=values() if path.startswith("/v1/records/P") else None)
                found += hits(f"answer {answer.status} of {path}", answer.body) if answer.status >= 500 else []
    parts.settle()
    parts.sequence()
    return found


async def _told(sink: OpenSink, info: SinkInfo, *deliveries: Delivery) -> list[str]:
    """What comes of deliveries, each twice and after a doubt, as the core asks for it."""
    found = []
    caller = Caller(replace(ROUTE, info=info), sink)
    for one in deliveries:
        dispatch = Dispatch(id="1", route="out", deliveries=(one,))
        for outcome in [*await caller.send(dispatch, set()), *await caller.send(dispatch, {one.key})]:
            said = outcome.receipt if isinstance(outcome, Delivered) else repr(outcome)
            found += hits(type(outcome).__name__, said.encode())
    return found


async def by_twilio(values: Values) -> list[str]:
    """Reminders that are sent, refused, and answered by nonsense."""
    twilio = TwilioSimulator()
    await twilio.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TWILIO_SECRET", twilio.token)
            sink = texts.TwilioSink().open("texts", texts.config(twilio))
            for fault in ("500", "html", "half-body"):
                twilio.fail(fault)
            rows = [reminder(f"r{n}", f"p{n}", text=f"{values()} {values()}") for n in range(30)]
            found = await _told(
                sink, texts.TwilioSink.info, *rows, reminder("bad", to=values()), reminder("odd", language=values())
            )
            await sink.close()
    finally:
        await twilio.stop()
    return found


async def by_clearinghouse(folder: Path, values: Values) -> list[str]:
    """Documents that cannot be built, for a payer that nobody knows, and to a service that fails."""
    found: list[str] = []
    for connection in ("core-soap", "core-mime", "sftp"):
        (folder / connection).mkdir()
        with pytest.MonkeyPatch.context() as patch:
            async with clearing.Route(folder / connection, connection, patch) as route:
                assert isinstance(route.simulator, ClearinghouseSimulator)
                rows = [
                    clearing.asked("claim", values()[:19], patient=None), clearing.asked("eligibility", values()[:19]),
                    clearing.asked("claim", f"{values()[:12]}~*:"), clearing.asked("claim", f"{values()[:10]}\u00e9"),
                ]  # fmt: skip
                rows += [msgspec.structs.replace(rows[0], key=values(), body=b'{"kind":"' + values().encode() + b'"}')]
                found += await _told(route.sink, clearing.ClearinghouseSink.info, *rows)
    return found


async def by_books(folder: Path, values: Values) -> list[str]:
    """Entries that the books refuse, or that name what is not there."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("QBO_CLIENT", "simulated-client"),
            ("QBO_SECRET", "simulated-secret"),
            ("QBO_REFRESH", "refresh-0"),
        ):
            patch.setenv(name, value)
        async with books.books(folder, Company(accounts=frozenset({"35"}))) as (sink, _):
            rows = [entry(n, {values(): "1.00", values(): "-1.00"}) for n in range(10)]
            rows += [
                msgspec.structs.replace(entry(20 + n), body=b'{"lines":"' + values().encode() + b'"}') for n in range(5)
            ]
            return await _told(sink, books.INFO, *rows, *(entry(n) for n in range(40, 44)))


async def by_files(folder: Path, values: Values) -> list[str]:
    """Remittances that are broken in each place, and a mailbox whose files are refused."""
    x12 = Registry.load(["x12"]).adapters["x12"]
    config = x12.config.model_validate({})
    found = []
    whole = file_835(1, 6)
    for at in range(100, len(whole), 29):
        broken = whole[:at] + values().encode() + whole[at + 7 :]
        for one in x12.cut([broken], config):
            if isinstance(one, Finding):
                found += hits("finding", f"{one.reason} {one.what} {one.where} {one.fix}".encode())

    async def refuse(file: Any, pieces: Any) -> None:
        await asyncio.to_thread(lambda: b"".join(pieces))
        raise MalformedEnvelope("no-table", "the file is no table")

    async with mailbox(folder / "box") as (server, account):
        for number in range(5):
            (server.folder / f"{number}.csv").write_text(values())
        await SftpInbox("night", account, "/", ["*.csv"], refuse, settle=0.05).poll(RecordingIntake())
    return found


@pytest.mark.timeout(600)
def test_a_thousand_planted_values_are_nowhere(
    tmp_path: Path, parts: Parts, values: Values, capfd: pytest.CaptureFixture[str]
) -> None:
    """No log line (level debug), outcome, finding, file name, page of the store or copy of it holds one."""
    logs.configure("debug")
    found = over_http(parts, values)
    for way in (by_twilio(values), by_clearinghouse(tmp_path, values), by_books(tmp_path, values)):
        found += asyncio.run(asyncio.wait_for(way, PATIENCE))
    found += asyncio.run(asyncio.wait_for(by_files(tmp_path, values), PATIENCE))
    said = capfd.readouterr()
    found += hits("log", (said.out + said.err).encode())
    parts.store.copy(tmp_path / "gateway" / "copy.db")
    scanned = set()
    for path in (tmp_path / "gateway").rglob("*"):
        found += hits("a name", str(path).encode())
        if path.is_file():
            scanned.add(path.name)
            found += hits(path.name, path.read_bytes())
    assert found == []
    assert len(values.given) >= PLANTED
    assert {"gateway.db", "gateway.db-wal", "copy.db", "keystore.db"} <= scanned


def test_the_search_sees_every_form(values: Values) -> None:
    """A value is found as it is, in capitals, in an address, in UTF-16 and in base64 at any offset."""
    one = values()
    for form in (one, one.upper(), quote(f"a b={one}")):
        assert hits("here", f"x{form}y".encode())
    assert hits("wide", f"x{one}".encode("utf-16-le"))
    assert all(hits("coded", base64.b64encode(f"{'x' * n}{one}".encode())) for n in range(4))
    assert hits("nothing", b"nothing of it") == []
