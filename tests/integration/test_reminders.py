"""Book, remind, STOP: a real gateway between a made-up EHR and simulated Twilio, by hooks, routes and reactors."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from gateway import bootstrap
from gateway.cli import app
from gateway.flow.clock import micros
from gateway.flow.ledger import recount_tenant
from gateway.settings import load
from gateway.store import journal, reactions
from gateway.testing.ports import free_port
from gateway_fhir.records_bundle import item
from gateway_twilio.simulator import TwilioSimulator
from tests.logged import log_by_itself
from tests.waiting import PATIENCE, until

LATE = (5.0, 20.0, 80.0)
"""Seconds until the second reminder of every visit is due: the longer ones are for a machine that is busy now."""
NUMBERS = {"p1": "+13125550141", "p2": "+13125550142", "p3": "+13125550143"}
SETTINGS = """
[keys.config]
path = "root.key"
[[tenants]]
name = "north"
[http]
port = {port}
public_url = "http://127.0.0.1:{port}"

[[sources]]
name = "ehr"
tenant = "north"
adapter = "fhir"
zone = "{zone}"

[[sources]]
name = "texts"
tenant = "north"
adapter = "twilio"
zone = "{zone}"
[sources.config]
account_sid = "{account}"
auth_token = "env:TWILIO_TOKEN"

[[reactors]]
name = "reminders"
tenant = "north"
reactor = "reminders"
[reactors.config]
channels = ["sms"]
cadence = [{{ name = "early", hours = 24 }}, {{ name = "late", hours = 2 }}]
clinic = {{ name = "Northside PT", phone = "512-555-0100", zone = "{zone}" }}

[[reactors]]
name = "replies"
tenant = "north"
reactor = "replies"

[[routes]]
name = "sms"
tenant = "north"
sink = "twilio"
types = ["Reminder"]
view = "reminder"
purpose = "reminders"
recipient = "Twilio"
latest_only = true
where = {{ "Reminder.state" = ["due"] }}
expires = ["Reminder.until"]
answers = "texts"
poison = "gap"
[routes.config]
account_sid = "{account}"
secret = "env:TWILIO_TOKEN"
from_number = "+15005550006"
hook_url = "http://127.0.0.1:{port}/hooks/texts"
url = "{url}"
allow_loopback = true
"""


def resource(kind: str, id: str, **fields: Any) -> Any:
    """One FHIR resource as the source's message."""
    stamp = {"lastUpdated": datetime.now(UTC).isoformat(timespec="milliseconds")}
    return item(json.dumps({"resourceType": kind, "id": id, "meta": stamp, **fields}).encode())


def booked(patient: str, start: datetime, status: str = "booked") -> Any:
    """A visit of the patient."""
    actor = [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}]
    return resource(
        "Appointment", f"v-{patient}", status=status, start=start.isoformat(),
        end=(start + timedelta(hours=1)).isoformat(), participant=actor,
    )  # fmt: skip


def people(start: datetime) -> list[Any]:
    """Three patients who agreed to texts, each with a visit."""
    made = []
    for id, number in NUMBERS.items():
        telecom = [{"system": "phone", "use": "mobile", "value": number}]
        made.append(resource("Patient", id, name=[{"given": ["Ann"], "family": "Ng"}], telecom=telecom, active=True))
        code = {
            "type": "permit", "code": [{"coding": [{"code": "sms"}]}], "purpose": [{"code": "appointment"}],
        }  # fmt: skip
        made.append(
            resource("Consent", f"c-{id}", status="active", patient={"reference": f"Patient/{id}"}, provision=code)
        )
        made.append(booked(id, start))
    return made


def shown(config: Path, *words: str) -> Any:
    """What a command prints as JSON."""
    answer = CliRunner().invoke(app, [*words, "--json", "--config", str(config)], catch_exceptions=False)
    log_by_itself()  # what the command was told to log to is closed by now
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout.splitlines()[-1])


def at_rest(connection: Connection) -> bool:
    """Nothing waits: no message, no delivery, and the reactors have read all there is and derived all that is due."""
    heads = journal.heads(connection, "north")
    for reactor in ("reminders", "replies"):
        read = reactions.cursors(connection, "north", reactor)
        if any(read.get(lane, 0) < head for lane, head in heads.items()):
            return False
        if reactions.due(connection, "north", reactor, micros(), 1):
            return False
    ledger = recount_tenant(connection, "north")
    return not ledger.pending and not any(route.pending for route in ledger.routes)


async def story(config: Path, twilio: TwilioSimulator, hooks: str, seconds: float) -> bool:
    """Book three visits; one patient says STOP, one confirms, one visit is cancelled before its reminder is due.

    Returns whether all of that was through within ``seconds``, when the second reminders are due.
    """
    gateway = bootstrap.open_gateway(load(config), config.parent, config.read_text())
    ready = asyncio.Event()
    task = asyncio.create_task(bootstrap.serve(gateway, frozenset({"intake", "worker", "deliver", "api"}), ready.set))

    def sent(patient: str) -> int:
        return sum(one["to"] == NUMBERS[patient] for one in twilio.messages)

    try:
        await asyncio.wait_for(ready.wait(), PATIENCE)
        ehr = gateway.receiver(gateway.sources["north", "ehr"])
        late = datetime.now(UTC) + timedelta(seconds=seconds)
        start = late + timedelta(hours=2)
        await ehr.accept(people(start))
        await until(lambda: len(twilio.messages) == 3)
        assert {one["body"].partition(":")[0] for one in twilio.messages} == {"Northside PT"}
        assert await twilio.receive(f"{hooks}/sms", NUMBERS["p1"], "+15005550006", "Stop") == 200
        assert await twilio.receive(f"{hooks}/sms", NUMBERS["p2"], "+15005550006", "C") == 200
        for message in list(twilio.messages):
            for status in ("delivered", "sent", "delivered"):
                assert await twilio.report(message, status) == 200
        twilio.token, held = "forged", twilio.token
        assert await twilio.receive(f"{hooks}/sms", NUMBERS["p2"], "+15005550006", "STOP") == 403
        twilio.token = held
        twilio.stopped.clear()  # nothing but the gateway's own memory stands between p1 and another text
        await ehr.accept([booked("p3", start, "cancelled")])
        await until(lambda: gateway.store.read_sync(at_rest) or datetime.now(UTC) >= late, "it does not come to rest")
        if datetime.now(UTC) >= late:
            return False
        await until(lambda: sent("p2") == 2, seconds=seconds + PATIENCE)
        await until(lambda: gateway.store.read_sync(at_rest), "it does not come to rest")
        await asyncio.sleep(0.5)  # for what should not be sent
        assert (sent("p1"), sent("p2"), sent("p3")) == (1, 2, 1)
        return True
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gateway.close()


def test_a_stop_and_a_cancellation_keep_the_next_reminder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who said STOP and whose visit was cancelled hear no more; who confirmed does; the ledger explains it all."""
    now, port = datetime.now(UTC), free_port()
    zone = f"Etc/GMT{now.hour - 12:+d}" if now.hour != 12 else "Etc/GMT"  # where it is about noon

    async def run(config: Path, seconds: float) -> bool:
        twilio = TwilioSimulator()
        await twilio.start()
        monkeypatch.setenv("TWILIO_TOKEN", twilio.token)
        config.write_text(SETTINGS.format(port=port, zone=zone, account=twilio.account, url=twilio.base_url))
        try:
            await asyncio.to_thread(shown, config, "init")
            return await story(config, twilio, f"http://127.0.0.1:{port}/hooks/texts", seconds)
        finally:
            await twilio.stop()

    for seconds in LATE:
        config = tmp_path / f"{seconds:.0f}" / "gateway.toml"
        config.parent.mkdir()
        if asyncio.run(run(config, seconds)):
            break
    else:
        raise AssertionError("the story takes longer than its reminders wait")
    reminders = [one["fields"] for one in shown(config, "records", "Reminder", "--show")]
    found = sorted((one["step"], one["state"], one.get("held_because", "")) for one in reminders)
    assert found == [
        ("early", "answered", ""),
        ("early", "sent", ""),
        ("early", "sent", ""),
        ("late", "answered", ""),
        ("late", "cancelled", "visit-cancelled"),
        ("late", "held", "no-consent"),
    ]
    said = [one["fields"] for one in shown(config, "records", "Communication", "--show")]
    assert sorted(one["answer"] for one in said if one["direction"] == "inbound") == ["confirm", "stop"]
    assert {one["status"] for one in said if one["direction"] == "outbound"} <= {"delivered", "queued"}
    (task,) = (one["fields"] for one in shown(config, "records", "Task", "--show"))
    assert task["kind"] == "reply-confirm"
    ledger = shown(config, "verify", "ledger")
    assert ledger["unaccounted"] == 0
