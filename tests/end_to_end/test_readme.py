"""What the README and the first day tell a newcomer to type does what they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from gateway_x12.simulator import file_835
from tests.end_to_end.conftest import Run
from tests.end_to_end.test_commands import serving

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_first_commands_work_in_order(tmp_path: Path, repository: Path, gateway: Run) -> None:
    """The block `Run it` runs from top to bottom in an empty folder: init, check, serve, and a look at a file."""
    (block, *_) = [one for one in BLOCK.findall((repository / "README.md").read_text("utf-8")) if "gateway init" in one]
    commands = [line.partition("#")[0].split()[1:] for line in block.splitlines() if "gateway " in line]
    assert [command[0] for command in commands] == ["init", "check", "serve", "import"]
    (tmp_path / "FILE").write_bytes(file_835(3, 4))
    for command in commands:
        if command == ["serve"]:
            text = (tmp_path / "gateway.toml").read_text("utf-8")
            assert tomllib.loads(text)["sources"][0]["adapter"] == "hl7"
            port = 'adapter = "hl7"\nzone = "America/Chicago"\n'
            (tmp_path / "gateway.toml").write_text(text.replace(port, f"{port}[sources.config]\nport = 0\n"), "utf-8")
            with serving(tmp_path):
                pass
        else:
            answer = gateway(*command)
            assert answer.code == 0, answer.err


def test_the_first_day_goes_as_told(tmp_path: Path, repository: Path, gateway: Run) -> None:
    """The tutorial's message becomes an appointment, is known again, and waits in quarantine once it is broken."""
    page = (repository / "docs/tutorial/first-day.md").read_text("utf-8")
    (message,) = re.findall(r"^```\n(MSH.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "booking.hl7"
    path.write_text(message, "utf-8")
    gateway("init")
    preview = gateway("import", path.name, "--dry-run", "--json").json
    appointment = next(one["fields"] for one in preview["records"] if one["type"] == "Appointment")
    assert appointment["start"] == "2026-03-03T09:00:00-06:00"
    assert [gateway("import", path.name, "--json").json["stored"] for _ in range(2)] == [1, 0]
    path.write_text(message.replace("20260303090000", "20261345").replace("|1001|", "|1002|"), "utf-8")
    gateway("import", path.name)
    (held,) = gateway("quarantine", "list", "--json").json
    assert held["place"] == "SCH-11.4"
    assert gateway("verify", "ledger", "--json").json["unaccounted"] == 0
