"""A refusal is written off at the command line: a message like any other, followed by reactor, books and audit log."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli import app
from tests.end_to_end.test_remits import FILE
from tests.integration.test_flow_persons import gateway, settled

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
name = "payers"
tenant = "group"
adapter = "x12"
zone = "America/Chicago"
[[reactors]]
name = "refusals"
tenant = "group"
reactor = "denials"
"""


def told(folder: Path, *words: str):
    return json.loads(gateway(folder, *words, "--json"))


def test_a_denial_is_written_off_and_opened_again(tmp_path: Path) -> None:
    """The verdict is followed both ways, its task goes and comes, and audit log and ledger stay whole."""
    config = tmp_path / "gateway.toml"
    config.write_text(SETTINGS)
    gateway(tmp_path, "init")
    (tmp_path / "remit.835").write_text(FILE)
    gateway(tmp_path, "import", str(tmp_path / "remit.835"), "--source", "payers")
    settled(tmp_path)
    (denial,) = told(tmp_path, "denials")
    assert (denial["state"], denial["at_risk"]) == ("open", "50.00")

    gateway(tmp_path, "denials", "write-off", denial["id"], "--reason", "too small to appeal")
    settled(tmp_path)
    (given_up,) = told(tmp_path, "denials")
    assert given_up == denial | {"state": "written-off"}
    assert told(tmp_path, "denials", "--state", "open") == []
    tasks = [one for one in told(tmp_path, "records", "Task") if not one["removed"]]
    assert tasks == []
    (decision,) = told(tmp_path, "records", "DenialDecision", "--show")
    assert decision["fields"]["reason"] == "too small to appeal"
    assert decision["fields"]["decided_by"].startswith("cli:")

    gateway(tmp_path, "denials", "reopen", denial["id"], "--reason", "the payer changed its policy")
    settled(tmp_path)
    assert told(tmp_path, "denials") == [denial]
    assert [one for one in told(tmp_path, "records", "Task") if not one["removed"]]
    gateway(tmp_path, "verify", "ledger")


def test_what_is_no_denial_is_not_written_off(tmp_path: Path) -> None:
    """An id of nothing, and a decision without a reason, are refused with a fix."""
    config = tmp_path / "gateway.toml"
    config.write_text(SETTINGS)
    gateway(tmp_path, "init")
    words = ["denials", "write-off", "00000000-0000-8000-8000-000000000000", "--config", str(config), "--reason"]
    for reason, said in (("too small", "There is no such Denial"), (" ", "A decision needs a reason")):
        result = CliRunner().invoke(app, [*words, reason])
        assert result.exit_code == 1
        assert said in str(result.exception)
