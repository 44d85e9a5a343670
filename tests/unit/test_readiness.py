"""What sound settings lean on and is not there is told before anything is served, with its setting and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configured import load_plugins
from gateway.diagnosis import Problem
from gateway.readiness import unready
from gateway.settings import parse

TEXT = """
[keys.config]
path = "root.key"
[[tenants]]
name = "clinic"
[[sources]]
name = "east"
tenant = "clinic"
adapter = "hl7"
zone = "America/Chicago"
[sources.config]
port = 2575
[sources.config.tls]
certificate = "east.pem"
key = "east.key"
[sources.config.http]
token = "env:EAST_TOKEN"
[[sources]]
name = "west"
tenant = "clinic"
adapter = "hl7"
zone = "America/Chicago"
[sources.config]
port = 2576
[[routes]]
name = "desk"
tenant = "clinic"
sink = "files"
types = ["Appointment"]
view = "own"
purpose = "operations"
recipient = "front desk"
[routes.config]
folder = "out"
[views.own]
Appointment = ["start"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where all that the settings name is there."""
    monkeypatch.setenv("EAST_TOKEN", "planted-secret")
    for name in ("east.pem", "east.key"):
        (tmp_path / name).touch()
    return tmp_path


def problems(text: str, folder: Path) -> list[Problem]:
    """What is not ready."""
    settings = parse(text, folder)
    _, configured = load_plugins(settings, folder, text)
    return unready(settings, configured, text)


def test_all_is_there(folder: Path) -> None:
    """Nothing is told of settings that can be served; a source that listens to nobody wants no port."""
    assert problems(TEXT, folder) == []
    assert problems(TEXT.replace("port = 2576", "port = 2575\nlisten = false"), folder) == []
    assert problems(TEXT.replace("port = 2576", "port = 0"), folder) == []


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("env:EAST_TOKEN", "env:WEST_TOKEN", "sources[0].config.http.token", "A secret is empty or not set"),
        ("env:EAST_TOKEN", "file:token", "sources[0].config.http.token", "A secret cannot be read: FileNotFoundError"),
        ("east.pem", "west.pem", "sources[0].config.tls.certificate", "There is no such file"),
        ("port = 2576", "port = 2575", "sources[1].config.port", "sources[0] listens on port 2575 already"),
        ('["Appointment"]', '["Patient"]', "routes[0].types[0]", "grants nothing of this type"),
    ],
)
def test_what_is_not_there_is_told(old: str, new: str, where: str, what: str, folder: Path) -> None:
    """One change, one problem at its line, with a cure and without what the secret is."""
    text = TEXT.replace(old, new)
    (problem,) = problems(text, folder)
    assert problem.where == where
    assert what in problem.what
    assert problem.fix
    assert problem.line is not None
    assert new.splitlines()[0] in text.splitlines()[problem.line - 1]
    assert "planted-secret" not in str(problem)
