"""Persons through the whole gateway: derived from two sources, linked and unlinked from the command line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from gateway import bootstrap, logs
from gateway.cli import app
from gateway.flow.react import settle
from gateway.settings import load

RUNNER = CliRunner()
SETTINGS = """
[data]
directory = "data"
[keys]
keystore = "keys/keystore.db"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "group"
[[sources]]
name = "north"
tenant = "group"
adapter = "hl7"
zone = "America/Chicago"
[[sources]]
name = "south"
tenant = "group"
adapter = "hl7"
zone = "America/Chicago"
[[reactors]]
name = "persons"
tenant = "group"
reactor = "persons"
"""
MESSAGE = (
    "MSH|^~\\&|EMR|{0}|HUB|HUB|20260105080000||ADT^A08|{0}{1}|P|2.5\r"
    "PID|1||{1}^^^{0}^MR||{2}||19800504|F|||||{3}\r"
)  # fmt: skip
SEEN_TWICE = """
[[reactors]]
name = "duplicates"
tenant = "group"
reactor = "duplicates"
[[reactors]]
name = "reminders"
tenant = "group"
reactor = "reminders"
[reactors.config]
cadence = [{ name = "one-day", hours = 24 }]
clinic = { name = "Northside PT", phone = "512-555-0100", zone = "America/Chicago" }
"""
VISIT = (
    "MSH|^~\\&|EMR|{0}|HUB|HUB|{4}||SIU^{3}|{0}{1}{3}|P|2.5\r"
    "SCH|V{1}||||||||30|min|^^^{2}\r"
    "PID|1||{1}^^^{0}^MR||BYRNE^ADA||19800504|F|||||(555)010-4477\r"
    "AIS|1||PT|{2}\r"
)  # fmt: skip


def gateway(folder: Path, *words: str, code: int = 0):
    result = RUNNER.invoke(app, [*words, "--config", str(folder / "gateway.toml")], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def settled(folder: Path) -> None:
    """Normalize and derive what waits, as ``serve`` would."""
    logs.configure("warning")  # the runner's own streams are closed by now
    opened = bootstrap.open_gateway(load(folder / "gateway.toml"), folder)
    try:
        normalizer = opened.normalizer(lambda _: None)
        opened.handoff.fall_behind("group")
        for _ in range(10):
            while normalizer.step("group"):
                pass
            if not settle(opened.derivers()):
                break
            opened.handoff.fall_behind("group")
    finally:
        opened.close()


def test_persons_are_linked_reviewed_and_unlinked(tmp_path: Path) -> None:
    """An exact pair is one person, a near one is listed; link and unlink are followed and kept in the ledger."""
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    gateway(tmp_path, "init")
    for source, number, name, phone in (
        ("north", 1, "BYRNE^ADA", "(555)010-4477"), ("south", 2, "Byrne^Ada", "555-010-4477"),
        ("south", 3, "BYRNE^ADA", "555-010-9999"),
    ):  # fmt: skip
        file = tmp_path / f"{source}{number}.hl7"
        file.write_text(MESSAGE.format(source.upper(), number, name, phone))
        gateway(tmp_path, "import", str(file), "--source", source)
    settled(tmp_path)
    (person,) = json.loads(gateway(tmp_path, "persons", "--json"))
    assert [link["rule"] for link in person["links"]] == ["name-birth-date-contact"] * 2
    waiting = json.loads(gateway(tmp_path, "persons", "review", "--json"))
    assert {one["kind"] for one in waiting} == {"person-same-name"}

    linked = [link["patient"] for link in person["links"]]
    text = json.dumps(waiting)
    third = next(
        part for part in text.replace('"', " ").replace(".", " ").split() if len(part) == 36 and part not in
        {*linked, *(one["id"] for one in waiting)}
    )  # fmt: skip
    gateway(tmp_path, "persons", "link", third, linked[0])
    settled(tmp_path)
    (person,) = json.loads(gateway(tmp_path, "persons", "--json"))
    assert {link["patient"] for link in person["links"]} == {*linked, third}
    gateway(tmp_path, "persons", "unlink", third, linked[0])
    settled(tmp_path)
    (person,) = json.loads(gateway(tmp_path, "persons", "--json"))
    assert {link["patient"] for link in person["links"]} == set(linked)
    gateway(tmp_path, "verify", "ledger")


def test_a_visit_seen_through_two_systems_is_flagged_and_reminded_of_once(tmp_path: Path) -> None:
    """Both records stay; the pair is listed, follows what either system says, and ends with the person."""
    (tmp_path / "gateway.toml").write_text(SETTINGS + SEEN_TWICE)
    gateway(tmp_path, "init")
    now = datetime.now(ZoneInfo("America/Chicago"))
    noon = f"{now + timedelta(days=3):%Y%m%d}120000"

    def told(source: str, number: int, event: str, at: datetime) -> None:
        file = tmp_path / f"{source}-{event}.hl7"
        file.write_text(VISIT.format(source.upper(), number, noon, event, f"{at:%Y%m%d%H%M%S}"))
        gateway(tmp_path, "import", str(file), "--source", source)
        settled(tmp_path)

    def listed() -> list[tuple[str, str]]:
        found = json.loads(gateway(tmp_path, "persons", "duplicates", "--json"))
        return sorted((one["kind"], one["why"]) for one in found)

    def reminders() -> list[tuple[str, str | None]]:
        found = json.loads(gateway(tmp_path, "records", "Reminder", "--show", "--json"))
        return sorted((one["fields"]["state"], one["fields"].get("held_because")) for one in found)

    told("north", 1, "S12", now)
    assert (listed(), reminders()) == ([], [("held", "no-consent")])
    told("south", 2, "S12", now)
    patient = ("patient", "name-birth-date-contact")
    assert listed() == [patient, ("visit", "Same person and time")]
    assert reminders() == [("cancelled", "seen-twice"), ("held", "no-consent")]
    told("south", 2, "S15", now + timedelta(seconds=1))
    assert len(listed()) == 2
    assert "one says" in listed()[1][1]
    assert reminders() == [("cancelled", "visit-cancelled"), ("held", "no-consent")]
    (person,) = json.loads(gateway(tmp_path, "persons", "--json"))
    gateway(tmp_path, "persons", "unlink", *(link["patient"] for link in person["links"]))
    settled(tmp_path)
    assert listed() == []
    gateway(tmp_path, "verify", "ledger")
