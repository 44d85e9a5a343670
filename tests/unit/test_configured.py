"""Plugins that the settings name and that are not there: each told at its setting, with all else that is wrong."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from gateway.configured import load_plugins
from gateway.diagnosis import InvalidSettings, Problem
from gateway.settings import parse

TEXT = """
[keys]
provider = "file"
[[tenants]]
name = "clinic"
[[sources]]
name = "hospital"
tenant = "clinic"
adapter = "hl7"
zone = "America/Chicago"
[[routes]]
name = "desk"
tenant = "clinic"
sink = "files"
view = "billing"
purpose = "operations"
recipient = "front desk"
[routes.config]
folder = "out"
[keys.config]
path = "root.key"
[http]
hook_sink = "webhook"
"""


def problems(old: str, new: str, folder: Path) -> list[Problem]:
    """What is told of the settings with one change."""
    assert old in TEXT
    text = TEXT.replace(old, new)
    with pytest.raises(InvalidSettings) as caught:
        load_plugins(parse(text, folder), folder, text)
    for problem in caught.value.problems:
        assert problem.line is not None
        assert new.splitlines()[0] in text.splitlines()[problem.line - 1]
    return list(caught.value.problems)


def test_what_is_there_is_loaded(tmp_path: Path) -> None:
    """Without a mistake the plugins come with their own settings."""
    registry, configured = load_plugins(parse(TEXT, tmp_path), tmp_path, TEXT)
    assert set(registry.adapters) == {"hl7"}
    assert set(configured.routes) == {"desk"}


@pytest.mark.parametrize(
    ("old", "new", "where", "fix"),
    [
        ('adapter = "hl7"', 'adapter = "hl77"', "sources[0].adapter", "Did you mean 'hl7'?"),
        ('sink = "files"', 'sink = "fles"', "routes[0].sink", "Did you mean 'files'?"),
        ('provider = "file"', 'provider = "fil"', "keys.provider", "Did you mean 'file'?"),
        ('hook_sink = "webhook"', 'hook_sink = "webhok"', "http.hook_sink", "Did you mean 'webhook'?"),
        ('adapter = "hl7"', 'adapter = "zzz"', "sources[0].adapter", "See `gateway adapters`."),
        ('adapter = "hl7"', 'adapter = "files"', "sources[0].adapter", "See `gateway adapters`."),
    ],
)
def test_a_misspelt_plugin_is_told_where_it_stands(old: str, new: str, where: str, fix: str, tmp_path: Path) -> None:
    """Setting, line and the name that was meant, by the words of that setting."""
    (problem,) = problems(old, new, tmp_path)
    assert (problem.where, problem.fix) == (where, fix)


def test_all_mistakes_come_together(tmp_path: Path) -> None:
    """A plugin that is not there hides neither another one nor the wrong settings of those that are."""
    text = TEXT.replace('"hl7"', '"hl77"').replace('"files"', '"fles"').replace("path =", "pth =")
    with pytest.raises(InvalidSettings) as caught:
        load_plugins(parse(text, tmp_path), tmp_path, text)
    assert {one.where for one in caught.value.problems} == {
        "sources[0].adapter", "routes[0].sink", "keys.config.pth",
    }  # fmt: skip


def test_a_plugin_that_breaks_is_told_with_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing import, also of a pin, names the setting and the line of the plugin; nothing is told twice."""
    (tmp_path / "torn_plugin.py").write_text("x = 1\nraise RuntimeError\n")
    metadata = tmp_path / "torn-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[gateway.plugins]\ntorn = torn_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    (problem,) = problems('adapter = "hl7"', 'adapter = "torn"', tmp_path)
    assert problem.what.endswith("torn_plugin.py line 2")
    pinned = f'plugins = ["torn:torn"]\n{TEXT}'.replace('"hl7"', '"torn"')
    with pytest.raises(InvalidSettings) as caught:
        load_plugins(parse(pinned, tmp_path), tmp_path, pinned)
    assert [one.where for one in caught.value.problems] == ["plugins[0]"]
