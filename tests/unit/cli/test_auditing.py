"""The audit commands on a real gateway of two clinics: every attack is named with its entry, every look is an entry."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from gateway.audit import Entry, Signer
from gateway.bootstrap import Gateway, open_gateway
from gateway.cli import app
from gateway.cli.printing import read
from gateway.errors import IntegrityViolated, InvalidConfiguration

RUNNER = CliRunner()
ANN = "00000000-0000-8000-8000-00000000000a"
SETTINGS = """
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "north"
[[tenants]]
name = "south"
[[routes]]
name = "desk"
tenant = "north"
sink = "files"
view = "schedule"
purpose = "operations"
recipient = "front desk"
[routes.config]
folder = "out"
[views.schedule]
Appointment = ["start", "status"]
"""


def run(folder: Path, *words: str) -> tuple[int, str]:
    """A command on the gateway in a folder: exit code and what it said."""
    answer = RUNNER.invoke(app, [*words, "--config", str(folder / "gateway.toml")])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.stdout


def work(folder: Path, use: Callable[[Gateway], Any], *, close: bool = True) -> Any:
    """Do something with the opened gateway."""
    settings, toml = read(folder / "gateway.toml")
    gateway = open_gateway(settings, folder, toml)
    with closing(gateway if close else gateway.store):
        return use(gateway)


def write(gateway: Gateway, tenant: str, count: int) -> None:
    """Entries that name a patient."""

    def entry(at: int) -> Entry:
        return gateway.audit.entry(
            tenant, action="access", actor="cli:ann", purpose="operations", patients=[ANN], messages=[at]
        )

    gateway.store.write_sync(lambda c: [gateway.audit.append(c, entry(at)) for at in range(count)])
    gateway.sequence()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway with ten entries in each clinic's log, made once."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "gateway.toml").write_text(SETTINGS)
    assert run(folder, "init")[0] == 0

    def fill(gateway: Gateway) -> None:
        for tenant in ("north", "south"):
            write(gateway, tenant, 10)

    work(folder, fill)
    return folder


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / "house")
    return tmp_path / "house"


def attack(house: Path, *statements: str) -> None:
    """Change the database behind the gateway's back, without the gateway's own end of work."""

    def unit(gateway: Gateway) -> None:
        for statement in statements:
            assert gateway.store.write_sync(lambda c, s=statement: c.execute(text(s)).rowcount) >= 1

    work(house, unit, close=False)


NORTH = "tenant = 'north'"
LEAF = f"(writer, seq) = (SELECT writer, seq FROM audit_leaves WHERE {NORTH} AND leaf = 4) AND {NORTH}"
NEXT = f"(writer, seq) = (SELECT writer, seq FROM audit_leaves WHERE {NORTH} AND leaf = 5) AND {NORTH}"
NUMBERS = "SELECT writer, seq FROM audit_leaves"
TAIL = f"{NORTH} AND leaf >= 8"
ATTACKS = {
    "delete-row": ([f"DELETE FROM audit_rows WHERE {LEAF}"], ["row-missing", "leaf 4,"]),
    "edit-row": (
        [f"UPDATE audit_rows SET body = CAST(replace(CAST(body AS TEXT), 'cli:ann', 'cli:bob') AS BLOB) WHERE {LEAF}"],
        ["row-changed", "leaf 4,"],
    ),
    "reorder": (
        [
            f"UPDATE audit_rows SET seq = -1 WHERE {LEAF}",
            f"UPDATE audit_rows SET seq = (SELECT seq FROM audit_leaves WHERE {NORTH} AND leaf = 4) WHERE {NEXT}",
            f"UPDATE audit_rows SET seq = (SELECT seq FROM audit_leaves WHERE {NORTH} AND leaf = 5) WHERE seq = -1",
        ],
        ["row-changed", "leaf 4,", "leaf 5,"],
    ),
    "truncate-tail": (
        [
            f"DELETE FROM audit_rows WHERE {NORTH} AND (writer, seq) IN ({NUMBERS} WHERE {TAIL})",
            f"DELETE FROM audit_leaves WHERE {TAIL}",
        ],
        ["log-truncated", "The log has 8 leaves"],
    ),
    "swap-tenants": (
        [
            f"UPDATE {table} SET tenant = '{new}' WHERE tenant = '{old}'"
            for old, new in (("north", "x"), ("south", "north"), ("x", "south"))
            for table in ("audit_rows", "audit_leaves", "checkpoints")
        ],
        ["row-changed", "leaf 0,", "checkpoint"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_the_rows_is_named_with_its_entry(house: Path, name: str) -> None:
    """Deleted, edited, reordered, cut and swapped rows end `verify audit` with 1, and it says which entry it is."""
    statements, told = ATTACKS[name]
    attack(house, *statements)
    code, said = run(house, "verify", "audit")
    assert code == 1
    assert all(word in said for word in told), said


def test_a_rolled_back_database_is_named_and_starts_only_when_acknowledged(house: Path, made: Path) -> None:
    """Yesterday's database under today's witness is told, refused at a start, and taken on by name only."""
    work(house, lambda gateway: write(gateway, "north", 5))
    shutil.rmtree(house / "data")
    shutil.copytree(made / "data", house / "data")
    code, said = run(house, "verify", "audit")
    assert (code, "log-truncated" in said) == (1, True)
    with pytest.raises(IntegrityViolated, match="acknowledge"):
        work(house, lambda gateway: gateway.check_witness(), close=False)
    code, said = run(house, "audit", "acknowledge", "--tenant", "north", "--json")
    loss = json.loads(said)
    assert (code, loss["seen"] - loss["found"] >= 5) == (0, True)
    work(house, lambda gateway: gateway.check_witness())
    assert run(house, "verify", "audit")[0] == 0
    _, said = run(house, "audit", "search", "--tenant", "north", "--action", "acknowledge", "--json")
    assert json.loads(said)["entries"][0]["counts"] == {"seen": loss["seen"], "found": loss["found"]}


def test_a_forged_checkpoint_is_named(house: Path) -> None:
    """A head that another key signed, in the database or at the witness, is told by its size."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    forged = Signer("north", Ed25519PrivateKey.generate()).sign(10, bytes(32)).note
    work(
        house,
        lambda g: g.store.write_sync(
            lambda c: c.execute(text(f"UPDATE checkpoints SET note = :n WHERE {NORTH}"), {"n": forged})
        ),
        close=False,
    )
    code, said = run(house, "verify", "audit")
    assert (code, "checkpoint-forged" in said, "size 10" in said or "checkpoint 1" in said) == (1, True, True)


def test_a_fork_is_named(house: Path) -> None:
    """Two heads of one size, both signed with the real key: the witness's differs from the log's, and is named."""

    def split(gateway: Gateway) -> None:
        seal = gateway.seals["north"]
        newest = seal.witness.last()
        assert newest is not None
        size = int(newest.split("\n")[1])
        seal.witness.append(seal.signer.sign(size, bytes(32)))

    work(house, split, close=False)
    code, said = run(house, "verify", "audit")
    assert (code, "head-differs" in said, "witness size" in said) == (1, True, True)


def test_an_untouched_log_is_whole(house: Path) -> None:
    """Where nobody did anything, nothing is found."""
    code, said = run(house, "verify", "audit")
    assert (code, "PROBLEM" in said) == (0, False)


def test_searching_is_paged_and_logged(house: Path) -> None:
    """Pages follow each other without a gap, and every search is an entry that the next one finds."""
    search = ("audit", "search", "--tenant", "north", "--patient", ANN, "--json")
    first = json.loads(run(house, *search, "--limit", "6")[1])
    rest = json.loads(run(house, *search, "--before", str(first["next"]))[1])
    looks = [one for one in first["entries"] + rest["entries"] if one["action"] == "access"]
    assert (len(looks), len({one["entry"] for one in looks})) == (10, 10)
    again = json.loads(run(house, "audit", "search", "--tenant", "north", "--purpose", "audit-search", "--json")[1])
    assert len(again["entries"]) == 2
    assert all(one["patients"] == [ANN] and one["actor"].startswith("cli:") for one in again["entries"])


def test_reports_exports_and_the_review_have_their_forms(house: Path) -> None:
    """Sums as CSV, entries as AuditEvents, CSV and JSON, and the review of all principals come out whole."""
    code, said = run(house, "audit", "report", "--tenant", "north", "--patient", ANN, "--csv")
    (ann,) = [row for row in csv.DictReader(io.StringIO(said)) if row["actor"] == "cli:ann"]
    assert (code, ann["entries"], ann["actions"]) == (0, "10", "access 10")
    lines = {}
    for form in ("fhir", "csv", "json"):
        out = house / f"out.{form}"
        assert run(house, "audit", "export", "--tenant", "north", "--format", form, "--out", str(out))[0] == 0
        lines[form] = out.read_text().splitlines()
        assert out.stat().st_mode & 0o077 == 0  # it tells who was treated where, and when
    events = [json.loads(line) for line in lines["fhir"]]
    assert {event["resourceType"] for event in events} == {"AuditEvent"}
    assert sum(f"Patient/{ANN}" in json.dumps(event) for event in events) >= 10
    assert len(lines["json"]) >= 11 <= len(lines["csv"]) - 1
    with pytest.raises(InvalidConfiguration, match="there already"):
        run(house, "audit", "export", "--tenant", "north", "--out", str(house / "out.csv"))
    review = json.loads(run(house, "audit", "access-review", "--tenant", "north", "--json")[1])["principals"]
    assert {(one["kind"], one["name"]) for one in review} >= {("route", "desk"), ("person", "cli:ann")}
    (desk,) = [one for one in review if one["kind"] == "route"]
    assert (desk["fields"], desk["agreement"], desk["recipient"]) == (2, False, "front desk")


def test_the_review_names_everybody_and_whom_nobody_made(house: Path) -> None:
    """Accounts of people and commands stand in it with their role; one written into the database alone ends with 1."""
    added = ("people", "add", "maria.lopez", "--tenant", "north", "--role", "operator", "--json")
    assert run(house, *added)[0] == 0
    asked = ("audit", "access-review", "--tenant", "north", "--json")
    code, said = run(house, *asked)
    found = {one["name"]: one for one in json.loads(said)["principals"]}
    maria = found["person:maria.lopez"]
    assert (code, maria["role"], maria["view"], maria["last_seen"]) == (0, "operator", "workforce-desk", None)
    assert maria["fields"] > 0
    assert maria["made_by"].startswith("cli:")
    assert found["cli:*"]["role"] == "admin"
    attack(house, "UPDATE people SET person = 'mallory' WHERE person = 'maria.lopez'")
    answer = RUNNER.invoke(app, [*asked, "--config", str(house / "gateway.toml")])
    assert (answer.exit_code, "person:mallory: by the audit log nobody made it" in answer.stderr) == (1, True)


def test_an_entry_is_proven_offline(house: Path, tmp_path: Path) -> None:
    """The proof of an entry verifies without the gateway; one changed byte of it does not."""
    out = tmp_path / "proof.jsonl"
    assert run(house, "audit", "prove", "4", "--tenant", "north", "--out", str(out))[0] == 0
    key = json.loads(run(house, "audit", "keys", "--json")[1])["north"]
    notes = str(house / "keys" / "north.checkpoints")
    offline = ("verify", "audit", "--offline", str(out), "--key", key, "--witness", notes)
    assert RUNNER.invoke(app, offline).exit_code == 0
    out.write_text(out.read_text().replace("cli:ann", "cli:bob"))
    answer = RUNNER.invoke(app, offline)
    assert (answer.exit_code, "entry 4: the proof does not lead" in answer.output) == (1, True)


def test_unusual_looks_end_with_one(house: Path) -> None:
    """Off-hours looks are flagged with the day and the entries; within hours that never close nothing is."""
    code, said = run(
        house, "audit", "unusual", "--tenant", "north", "--opens", "00:00", "--closes", "00:01", "--json"
    )  # fmt: skip
    found = json.loads(said)["unusual"]
    assert (code, {(one["who"], one["reason"], one["count"]) for one in found}) == (1, {("cli:ann", "off-hours", 10)})
