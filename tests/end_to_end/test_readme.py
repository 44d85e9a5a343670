"""What the README and the tutorials tell a newcomer to type exists and does what they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli import app
from gateway_x12.simulator import file_835
from tests.end_to_end.conftest import Run
from tests.end_to_end.test_commands import serving

PAGES = ("README.md", "docs/README.md", "docs/tutorial/first-day.md", "docs/tutorial/exploring-the-demo.md")
COMMAND = re.compile(
    r"^\s*(?:\S*\.venv/bin/)?gateway ([a-z][a-z-]*(?: (?:list|show|release|ledger|audit|check)\b)?)", re.MULTILINE
)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def code(page: str) -> str:
    """Everything on a page that is set as code."""
    return "\n".join(
        [*re.findall(r"`([^`\n]+)`", page), *BLOCK.findall(page), *re.findall(r"^    \S.*", page, re.MULTILINE)]
    )


def known(command: str) -> bool:
    """Whether the command line has such a command, built in or of a plugin."""
    found: Any = typer.main.get_command(app)
    for word in command.split():
        found = found.get_command(None, word)
        if found is None:
            return False
    return True


def test_every_command_named_exists(repository: Path) -> None:
    """Each `gateway` command on the pages is known to the command line."""
    named = {name for page in PAGES for name in COMMAND.findall(code((repository / page).read_text("utf-8")))}
    assert {"init", "demo", "verify ledger", "quarantine list"} <= named
    assert [command for command in sorted(named) if not known(command)] == []
    assert not known("verify everything")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str, repository: Path) -> None:
    """Files that the page points to are there."""
    path = repository / page
    missing = [link for link in LINK.findall(path.read_text("utf-8")) if not (path.parent / link).exists()]
    assert missing == []


def test_make_targets_exist(repository: Path) -> None:
    """Each `make` target on the pages is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"\bmake ([a-z]+)\b", code((repository / page).read_text("utf-8")))
    }
    assert named
    assert named <= targets


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
