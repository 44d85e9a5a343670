"""``gateway adapters`` and ``gateway adapters show``: what is installed, and what each can and cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.describing import app, settings
from gateway.errors import InvalidConfiguration
from gateway.registry import Registry

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load(None)


def test_every_setting_of_every_part_has_a_sentence(registry: Registry) -> None:
    """Whoever sets up a source, sink or reactor learns from the command what each setting is."""
    silent = [
        f"{row['name']}.{one['name']}"
        for row in registry.describe()
        if row["kind"] in ("adapter", "sink", "reactor")
        for one in settings(registry, row)
        if not one["description"]
    ]
    assert silent == []


def test_every_adapter_names_its_page(registry: Registry) -> None:
    """The page is there, for every adapter of a clinic system."""
    pages = {row["name"]: row.get("docs", "") for row in registry.describe() if row["kind"] == "adapter"}
    assert {name for name, page in pages.items() if page and not (ROOT / page).is_file()} == set()
    assert {"cliniko", "jane", "spry", "reports", "webpt"} <= {name for name, page in pages.items() if page}


def test_show_tells_streams_gaps_settings_and_page() -> None:
    """For people and, with --json, for programs."""
    told = CliRunner().invoke(app, ["show", "cliniko"], env={"COLUMNS": "200"}).stdout
    for words in ("adapter cliniko", "docs/how-to/cliniko.md", "200 requests in 60 seconds", "cannot give", "api_key"):
        assert words in told
    (row,) = json.loads(CliRunner().invoke(app, ["show", "spry", "--json"]).stdout)["plugins"]
    assert {stream["mode"] for stream in row["streams"]} == {"poll", "push"}
    found = {one["name"]: one for one in row["settings"]}
    assert found["poll_seconds"] == {
        "name": "poll_seconds", "required": False, "default": "120.0",
        "description": "Seconds between two looks at the calendars.",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "words"), [("webhook", "native-key"), ("denials", "Reads"), ("file", "Settings")])
def test_show_knows_sinks_reactors_and_key_providers(name: str, words: str) -> None:
    """How a sink is made idempotent, and what a reactor reads, are said too."""
    told = CliRunner().invoke(app, ["show", name], env={"COLUMNS": "200"})
    assert words in told.stdout


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    """The error names what is installed."""
    told = CliRunner().invoke(app, ["show", "nothing"])
    assert isinstance(told.exception, InvalidConfiguration)
    assert "spry" in told.exception.fix


def test_a_setting_inside_another_is_named_with_dots(registry: Registry) -> None:
    """A group of settings is shown with all its parts, and what must be set is marked."""
    row = next(row for row in registry.describe() if row["name"] == "webpt")
    found = {one["name"]: one for one in settings(registry, row)}
    assert found["sftp.host"]["required"]
    assert not found["folder"]["required"]
