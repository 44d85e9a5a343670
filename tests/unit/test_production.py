"""Production mode: every weak set-up is refused with its place and its cure, and a strong one is let through."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import production
from gateway.configured import check_plugins
from gateway.diagnosis import Problem
from gateway.production import refusals, unwatched
from gateway.readiness import unready
from gateway.registry import Registry
from gateway.settings import parse

STRONG = """
mode = "development"

[people.command_line]
maria = "admin"

[[tenants]]
name = "clinic"

[[sources]]
name = "hospital"
tenant = "clinic"
adapter = "hl7"
zone = "America/Chicago"

[[witnesses]]
name = "office"
witness = "file"
"""
STAMPED = """[witnesses.config]
url = "http://127.0.0.1:9"
roots = "roots.pem"
folder = "stamps"
allow_loopback = true"""
WEAK = [
    ('maria = "admin"', '"*" = "admin"', "people.command_line", "Every account"),
    ('[[witnesses]]\nname = "office"\nwitness = "file"\n', "", "witnesses", "Nobody outside"),
    ("[people.command_line]", '[log]\nlevel = "debug"\n[people.command_line]', "log.level", "debugging"),
    (
        "[people.command_line]", '[http]\nhost = "0.0.0.0"\ntls = "proxy"\n[people.command_line]',
        "http.host", "without TLS",
    ),
    (
        "[people.command_line]", '[http]\npublic_url = "http://gw.example.org"\n[people.command_line]',
        "http.public_url", "without TLS",
    ),
    (
        "[people.command_line]", '[store]\nurl = "postgresql+psycopg://gw@db.example.org/gw"\n[people.command_line]',
        "store.url", "without a checked certificate",
    ),
    (
        "[people.command_line]", "[limits]\nmessage_bytes = 1000000000\n[people.command_line]",
        "limits.message_bytes", "larger than",
    ),
    (
        'zone = "America/Chicago"', 'zone = "America/Chicago"\n[sources.config]\nplaintext_networks = ["10.0.0.0/8"]',
        "sources[0].config.plaintext_networks", "without TLS",
    ),
    (
        "[people.command_line]", "[http]\nhook_loopback = true\n[people.command_line]",
        "http.hook_loopback", "any port of this machine",
    ),
    (
        'name = "office"', f'name = "stamped"\nwitness = "timestamp"\n{STAMPED}\n\n[[witnesses]]\nname = "office"',
        "witnesses[0].config.allow_loopback", "without TLS too",
    ),
]  # fmt: skip

CONFIGS = {
    "mail": 'config = {host = "smtp.example.org", sender = "a@example.org", recipients = ["b@example.org"]}',
    "timestamp": 'config = {url = "https://tsa.example.org", roots = "roots.pem", folder = "stamps"}',
    "http": 'config = {url = "https://witness.example.org:8099"}',
}


def found(text: str, folder: Path) -> list[Problem]:
    config = folder / "gateway.toml"
    config.write_text(text)
    config.chmod(0o600)
    settings = parse(text, folder)
    registry = Registry.load([*settings.plugin_names()])
    return refusals(settings, check_plugins(settings, registry, folder, text), config, text)


@pytest.fixture(autouse=True)
def plain_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests may run as root; the gateway of these tests does not."""
    monkeypatch.setattr(production.os, "geteuid", lambda: 1000)
    (tmp_path / "data").mkdir(mode=0o700)


@pytest.fixture
def strong(tmp_path: Path) -> str:
    """Settings that production takes; the witness's own settings point into the test's folder."""
    return STRONG + f'[witnesses.config]\npath = "{tmp_path}/heads"\n\n[keys.config]\npath = "{tmp_path}/root.key"\n'


def test_a_strong_set_up_is_let_through(strong: str, tmp_path: Path) -> None:
    """With TLS, named accounts, a witness and closed files there is nothing to say."""
    assert found(strong, tmp_path) == []


@pytest.mark.parametrize(("old", "new", "where", "what"), WEAK, ids=[case[2] + ":" + case[3] for case in WEAK])
def test_a_weak_set_up_is_refused(strong: str, tmp_path: Path, old: str, new: str, where: str, what: str) -> None:
    """Each weakness is told with its setting and what to do, alone."""
    if where == "witnesses":
        strong, new = strong.replace(f'[witnesses.config]\npath = "{tmp_path}/heads"\n', ""), ""
    assert old in strong
    (problem,) = found(strong.replace(old, new), tmp_path)
    assert problem.where == where
    assert what in problem.what
    assert problem.fix


def test_files_that_others_can_read_are_refused(strong: str, tmp_path: Path) -> None:
    """An open data folder and settings that others can change are told by name, without the path to them."""
    (tmp_path / "data").chmod(0o755)
    (problem,) = found(strong, tmp_path)
    assert (problem.where, str(tmp_path) in str(problem)) == ("data", False)
    (tmp_path / "data").chmod(0o711)  # may be passed through, not listed
    assert found(strong, tmp_path) == []
    config = tmp_path / "gateway.toml"
    config.chmod(0o666)
    settings = parse(strong, tmp_path)
    registry = Registry.load([*settings.plugin_names()])
    configured = check_plugins(settings, registry, tmp_path, strong)
    assert [one.where for one in refusals(settings, configured, config, strong)] == ["gateway.toml"]


CLINICS = """
[[sources]]
name = "riverside-jane"
tenant = "clinic"
adapter = "jane"
zone = "America/Chicago"
[sources.config]
feed_zone = "America/Chicago"
[sources.config.feeds.ana]
url = "file:secrets/ana.url"
"""


def test_a_secret_in_a_table_of_the_clinics_own_names_is_looked_at(strong: str, tmp_path: Path) -> None:
    """It is taken from the settings' folder, missed where it is not there, and refused where others can read it."""
    text = strong + CLINICS
    settings = parse(text, tmp_path)
    configured = check_plugins(settings, Registry.load([*settings.plugin_names()]), tmp_path, text)
    (problem,) = unready(settings, configured, text)
    assert problem.where == "sources[1].config.feeds.ana.url"
    feed = tmp_path / "secrets/ana.url"
    feed.parent.mkdir()
    feed.write_text("https://riverside.janeapp.com/ical/x/appointments.ics")
    feed.chmod(0o644)
    assert unready(settings, configured, text) == []
    assert [one.where for one in found(text, tmp_path)] == ["ana.url"]


def test_a_folder_in_which_others_may_write_is_refused(strong: str, tmp_path: Path) -> None:
    """Who may write in the folder of the settings can put others in their place, whatever their own permissions are."""
    tmp_path.chmod(0o770)
    assert [one.where for one in found(strong, tmp_path)] == [tmp_path.name]


def test_secrets_of_every_part_are_looked_at(strong: str, tmp_path: Path) -> None:
    """The file of a witness's password must be closed as that of any other part."""
    secret = tmp_path / "password"
    secret.write_text("made up")
    secret.chmod(0o644)
    mail = (
        '\n[[witnesses]]\nname = "mailed"\nwitness = "mail"\n[witnesses.config]\nhost = "smtp.example.org"\n'
        f'sender = "a@example.org"\nrecipients = ["b@example.org"]\nuser = "gw"\npassword = "file:{secret}"\n'
    )
    assert [one.where for one in found(strong + mail, tmp_path)] == ["password"]


def test_a_witness_beside_the_data_is_not_enough(strong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on the device of the data is taken back together with it; on another device it is a witness."""
    settings = parse(strong, tmp_path)
    registry = Registry.load([*settings.plugin_names()])
    configured = check_plugins(settings, registry, tmp_path, strong)
    (problem,) = unwatched(settings, registry, configured, strong)
    assert (problem.where, "device of the data" in problem.what) == ("witnesses", True)
    monkeypatch.setattr(production, "_device", lambda path: path.name)
    assert unwatched(settings, registry, configured, strong) == []


def test_root_is_refused(strong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that could do anything on its machine does not serve in production."""
    monkeypatch.setattr(production.os, "geteuid", lambda: 0)
    assert [one.where for one in found(strong, tmp_path)] == ["process"]


@pytest.mark.parametrize(
    ("kinds", "refused"), [(["mail"], True), (["timestamp", "mail"], True), (["mail", "http"], False)]
)
def test_a_witness_that_hears_hourly_is_not_enough(kinds: list[str], refused: bool, tmp_path: Path) -> None:
    """Of the witnesses one must hear at once, or an hour of the log could be rewritten unseen."""
    told = "".join(f'[[witnesses]]\nname = "{kind}"\nwitness = "{kind}"\n{CONFIGS[kind]}\n' for kind in kinds)
    text = f'[[tenants]]\nname = "clinic"\n[keys.config]\npath = "{tmp_path}/root.key"\n{told}'
    settings = parse(text, tmp_path)
    registry = Registry.load(settings.plugin_names())
    found = unwatched(settings, registry, check_plugins(settings, registry, tmp_path, text), text)
    assert [problem.where for problem in found] == (["witnesses"] if refused else [])
