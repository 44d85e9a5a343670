"""What people see: tables that can be read in a pipe, fields one below the other, and errors in one line."""

from __future__ import annotations

import errno
import os
import pwd
import sys
from pathlib import Path

import pytest

from gateway import cli
from gateway.cli import printing
from gateway.cli.printing import actor, fields, listing, table


def test_nobody_is_taken_for_another_by_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whom sudo names is believed of root, or when the kernel knows that it is who signed in; no other variable is."""
    others = [one for one in pwd.getpwall() if one.pw_uid not in (0, os.getuid())]
    ann, bob = others[0], next(one for one in others if one.pw_uid != others[0].pw_uid)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, ann.pw_name)
    monkeypatch.setattr(printing, "LOGIN", tmp_path / "loginuid")
    monkeypatch.setattr(printing.os, "getuid", lambda: bob.pw_uid)
    assert actor() == f"cli:{bob.pw_name}"
    for signed_in, name in ((bob, bob), (ann, ann)):
        (tmp_path / "loginuid").write_text(str(signed_in.pw_uid))
        assert actor() == f"cli:{name.pw_name}"
    (tmp_path / "loginuid").write_text(str(2**32 - 1))
    assert actor() == f"cli:{bob.pw_name}"
    monkeypatch.setattr(printing.os, "getuid", lambda: 0)
    assert actor() == f"cli:{ann.pw_name}"
    monkeypatch.delenv("SUDO_USER")
    assert actor() == f"cli:{pwd.getpwuid(0).pw_name}"


def test_a_row_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut or folded for a program, moments are told to the second, and a missing field is empty."""
    monkeypatch.delenv("COLUMNS", raising=False)
    reason = "a reason of many words " * 10
    listing("Held", ("id", "received_at", "reason"), [{"id": "m1", "received_at": "2026-01-31T08:00:00.123456Z"},
                                                      {"id": "m2", "reason": reason.strip()}])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["m1", "2026-01-31", "08:00:00Z"] for line in lines)
    assert any(reason.strip() in line for line in lines)
    assert any("received at" in line for line in lines)


def test_an_empty_table_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is nothing, nothing is drawn."""
    table("Clients", ("id", "name"), [])
    assert capsys.readouterr().out == "Clients: none\n"


def test_what_is_nested_has_dots_in_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Every value has a line of its own, and no control character gets onto the screen."""
    fields(
        "Patient 1", {"name": {"family": "Ex\x1bample"}, "contacts": [{"use": "home"}, {"use": "work"}], "notes": []}
    )
    told = {tuple(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert {
        ("name.family", "Ex?ample"),
        ("contacts.1.use", "home"),
        ("contacts.2.use", "work"),
        ("notes", "[]"),
    } <= told


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "keys/keystore.db"),
            "Permission denied at keys/keystore.db",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "out"), "Make room"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "Address already in use. Fix: "),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another account's file, a full disk and a taken port are told with a cure, never as a traceback."""

    def fails() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert told.count("\n") == 1


def test_help_lists_what_plugins_offer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands of plugins stand in help beside the built-in ones, and the version can be asked for."""
    monkeypatch.setattr(sys, "argv", ["gateway", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    told = capsys.readouterr().out
    assert "From plugins" in told
    assert "demo" in told
    monkeypatch.setattr(sys, "argv", ["gateway", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.startswith("emr-gateway ")
