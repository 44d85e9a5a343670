"""What commands share: settings of one source, files in pieces, facts for programs and sentences for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from gateway.command_line import chunks, source_settings, tell
from gateway.diagnosis import InvalidSettings
from gateway.errors import InvalidConfiguration

SETTINGS = """
[[tenants]]
name = "northside"

[[sources]]
name = "desk"
tenant = "northside"
adapter = "hl7"
zone = "America/Chicago"

[sources.config]
port = %s
folder = "inbox"
"""


class Desk(BaseModel):
    """Settings of a made-up plugin."""

    model_config = ConfigDict(extra="forbid")
    port: int = Field(ge=1, description="Where it listens.")
    folder: Path


def test_the_settings_of_one_source_are_checked_and_placed(tmp_path: Path) -> None:
    """A plugin's command gets its own model with paths from the file's folder; a mistake has its line, no value."""
    file = tmp_path / "gateway.toml"
    file.write_text(SETTINGS % "4711")
    assert source_settings(file, "desk", Desk) == Desk(port=4711, folder=tmp_path / "inbox")
    with pytest.raises(InvalidConfiguration, match=r"no such source at dsk.*'desk'"):
        source_settings(file, "dsk", Desk)
    file.write_text(SETTINGS % '"hunter2"')
    with pytest.raises(InvalidSettings, match=r"sources\[0\].config.port .*line 12") as wrong:
        source_settings(file, "desk", Desk)
    assert "hunter2" not in str(wrong.value)


def test_a_file_comes_in_pieces_that_are_counted(tmp_path: Path) -> None:
    """Nothing is lost between pieces, and progress adds up to the size."""
    file, seen = tmp_path / "big", []
    file.write_bytes(bytes(range(256)) * 1000)
    assert b"".join(chunks(file, seen.append)) == file.read_bytes()
    assert sum(seen) == 256_000
    assert len(seen) > 1


def test_programs_and_people_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """One fact, said once: JSON when it is asked for, a sentence otherwise."""
    tell({"b": 1, "a": None}, "done", json_=True)
    tell({"b": 1}, "done", json_=False)
    assert capsys.readouterr().out == '{"a": null, "b": 1}\ndone\n'
