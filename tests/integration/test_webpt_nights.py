"""A month of a clinic's nights through a real mailbox and a real store ends in exactly what the clinic knows."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.access import View
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.mapping import Mapping
from gateway.store.schema import outcomes
from gateway.testing.sftp_server import SftpServer
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_webpt.plugin import WebptAdapter
from gateway_webpt.simulator import PASSWORD, USER, Company, put
from gateway_webpt.simulator_revflow import CHARGES, CREDITS
from gateway_webpt.transport import Mailbox
from tests.integration.parts import TENANT, Parts, Written, deliver_all
from tests.waiting import PATIENCE

ALL = View("all", {name: ["*"] for name in ("Appointment", "Authorization", "ChargeItem", "PatientPayment", "Patient")})
STATUS = {"Inactive": "cancelled", "Active": "booked"}


def connect(parts: Parts, folder, server: SftpServer, **settings):
    """The source `night` in a running gateway."""
    (folder / "password").write_text(PASSWORD)
    adapter = WebptAdapter()
    sftp = {
        "host": "127.0.0.1", "port": server.port, "user": USER, "host_keys": [server.host_key],
        "password": f"file:{folder / 'password'}",
    }  # fmt: skip
    config = adapter.config.model_validate({"sftp": sftp, "settle_seconds": 0.01, "poll_seconds": 0.05, **settings})
    mapping = Mapping.load(adapter.mappings, None, adapter.path).bind(zone="America/Chicago")
    source = Source.bind(TENANT, "night", adapter, config, mapping)
    parts.sources[TENANT, "night"] = source
    texts = [(source.mapping_hash, "mapping", mapping.text), (bytes.fromhex(ALL.version), "view", ALL.text)]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], texts))
    return config


async def until_taken(parts: Parts, config, names, *, clock=lambda: datetime.now(UTC)) -> None:
    """Let the mailbox be looked into until these files were taken."""
    receiver = parts.receiver("night")
    task = asyncio.create_task(Mailbox("night", config, config.sftp, clock).run(receiver, lambda: None))
    async with asyncio.timeout(PATIENCE):
        while not names <= json.loads(await receiver.cursor("mailbox") or "{}").keys():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.to_thread(parts.settle)


def quoted(data: bytes) -> bytes:
    """The same file built again: other bytes, so that no row of it is a repeat of what came."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(csv.reader(io.StringIO(data.decode())))
    return file.getvalue().encode()


def latest(parts: Parts) -> dict[str, dict]:
    """Every record that is there, by type and id."""
    sink = Written()
    deliver_all(parts.delivering(sink, name=f"look-{random.getrandbits(60)}", view=ALL))
    found = {}
    for delivery in sorted(sink.effects, key=lambda one: one.version):
        found[delivery.record_id] = (delivery.type, delivery.change, json.loads(delivery.body))
    return {id: (kind, body) for id, (kind, change, body) in found.items() if change != "removed"}


def expected(parts: Parts, company: Company, ever: dict[str, dict]) -> dict[str, tuple[str, dict]]:
    """What the clinic knows, in the fields that are compared."""
    found = {}

    def add(kind, native, **fields):
        found[str(parts.vault.record_id(TENANT, "night", kind, native))] = (kind, fields)

    for key, row in ever.items():
        status = "completed" if row.get("check_out_time") else STATUS[row["appointment_status"]]
        add("Appointment", key, status=status, start=row["start_date"].replace(" ", "T") + "-05:00")
    for key, row in company.tables["authorizations"].items():
        add("Authorization", key, visits_approved=int(row["visit_authorized_for"]), number=row["auth_number"])
    for key, row in company.tables["charges"].items():
        add("ChargeItem", key, units=row["units"], amount=row["charge_amount"], procedure_code=row["cpt"])
    for key, row in company.tables["transactions"].items():
        add("PatientPayment", key, amount=row["dollar_amount_paid"])
    billed = company.billing.tables
    for key, row in billed[CHARGES].items():
        if row["cpt_code"] != "INSOVER":
            owed = {"paid": row["total_pay_amt"], "balance": row["cur_balance"], "service_date": row["date_of_service"]}
            add("ChargeItem", f"revflow/{key}", amount=row["charge_amount"], procedure_code=row["cpt_code"], **owed)
    for key, row in billed[CREDITS].items():
        add("PatientPayment", f"revflow/{key}", amount=row["amount"])
    for one in company.clinic.patients:
        add("Patient", str(one.key), birth_date=str(one.birth_date))
    return found


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_a_month_of_nights_ends_in_exactly_the_expected_records(parts: Parts, tmp_path):
    """Adds, updates, removals, a night that comes late, a duplicate night, and an old night built and sent again."""
    folder = tmp_path / "box"
    folder.mkdir()
    company = Company(synthetic_clinic(5, patients=12, visits=1), 5)
    ever: dict[str, dict] = {}

    async def month():
        server = SftpServer(folder, {USER: PASSWORD})
        await server.start()
        config = connect(parts, tmp_path, server)
        kept = {}
        for number in range(30):
            company.live()
            files = company.night()
            listed = {row["appointment_id"]: row for row in company.window()}
            reach = timedelta(days=13)
            for key, row in list(ever.items()):
                day = datetime.fromisoformat(row["start_date"]).date()
                if key not in listed and abs(day - company.today) <= reach:
                    del ever[key]
            ever.update(listed)
            kept[number] = files
            if number == 11:
                continue  # the mailbox was down: this night comes later
            if number == 14:
                files = files | kept[11]
            if number == 20:
                files = files | {name.replace(".csv", "_again.csv"): data for name, data in kept[19].items()}
            if number == 25:
                files = files | {f"resent_{name}": quoted(data) for name, data in kept[9].items()}
            put(folder, files)
            if number % 4 == 0 or number in (11, 14, 20, 25, 29):
                await until_taken(parts, config, {path.name for path in folder.glob("[!.]*")})
        await server.stop()

    asyncio.run(month())
    found, wanted = latest(parts), expected(parts, company, ever)
    seen = {
        id: (kind, {name: body.get(name) for name in wanted[id][1]} if id in wanted else body)
        for id, (kind, body) in found.items()
    }
    assert len(wanted) > 150
    assert seen == wanted
    asked = select(outcomes.c.reason).where(outcomes.c.outcome == "quarantined")
    told = parts.store.read_sync(lambda connection: list(connection.execute(asked).scalars()))
    assert told == ["night-missing"] * 10
    ledger = parts.ledger()
    assert ledger.problems == []
    assert ledger.pending == 0
