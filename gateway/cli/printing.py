"""How commands open the gateway and print: JSON for programs, tables for people, CSV for spreadsheets."""

from __future__ import annotations

import csv
import os
import pwd
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Annotated, Any, TextIO
from uuid import UUID

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gateway import logs
from gateway.access import View
from gateway.bootstrap import Gateway, open_gateway
from gateway.cli.permits import permit
from gateway.command_line import DEFAULT_CONFIG, ConfigOption, JsonOption, as_json, tell
from gateway.diagnosis import nearest
from gateway.errors import InvalidConfiguration
from gateway.settings import Settings, load
from gateway.store import shreds

TenantOption = Annotated[str, typer.Option("--tenant", help="Which clinic group; the only one when there is one.")]
PIPED = 2000
"""Columns of a table that goes into a file or another program."""
LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
__all__ = [
    "DEFAULT_CONFIG", "ConfigOption", "JsonOption", "TenantOption", "actor", "as_csv", "as_json", "fields", "listing",
    "opened", "read", "record_bytes", "require_known", "table", "tell", "tenant_of", "view_of",
]  # fmt: skip


def opened(config: Path) -> AbstractContextManager[Gateway]:
    """The gateway that a settings file describes, if this account may run this command; closed at the end."""
    settings, text = read(config)
    gateway = open_gateway(settings, config.resolve().parent, text)
    try:
        permit(gateway, actor())
    except BaseException:
        gateway.close()
        raise
    return closing(gateway)


def read(config: Path) -> tuple[Settings, str]:
    """The checked settings and their text; logging follows them."""
    settings = load(config)
    logs.configure(settings.log.level)
    return settings, config.read_text("utf-8")


def tenant_of(gateway: Gateway, named: str) -> str:
    """The tenant that was named, or the only one."""
    if named in gateway.tenants:
        return named
    if not named and len(gateway.tenants) == 1:
        return gateway.tenants[0]
    raise InvalidConfiguration(
        "Name one clinic group" if not named else "There is no such clinic group",
        where="--tenant", fix=f"Known are: {', '.join(gateway.tenants)}.",
    )  # fmt: skip


def view_of(gateway: Gateway, named: str, where: str = "--view") -> View:
    """The view that was named."""
    if named not in gateway.views:
        fix = nearest(named, gateway.views) or f"Known are: {', '.join(sorted(gateway.views))}."
        raise InvalidConfiguration("There is no such view", where=where, fix=fix)
    return gateway.views[named]


def actor() -> str:
    """Who looks: the account of the operating system that runs the command, or that runs it by ``sudo``.

    Anybody can write what the environment says. So whom ``sudo`` names there is believed of root, who could be anybody
    anyway, and otherwise only where the kernel knows that this is who signed in.
    """
    own, claimed = os.getuid(), os.environ.get("SUDO_USER")
    if claimed and (own == 0 or claimed == _account(_signed_in())):
        return f"cli:{claimed}"
    return f"cli:{_account(own) or own}"


def _account(uid: int) -> str:
    """The name of an account; empty when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


def _signed_in() -> int:
    """Who signed in, by the kernel's audit: it is set once at the door and goes along through ``sudo``."""
    try:
        return int(LOGIN.read_text("ascii"))
    except (OSError, ValueError):
        return _NOBODY


def as_csv(columns: Sequence[Any], rows: Sequence[Sequence[Any]], out: TextIO | None = None) -> None:
    """CSV on standard output or into ``out``; text that a spreadsheet would run gets an apostrophe before it."""
    writer = csv.writer(out or sys.stdout)
    writer.writerow([_inert(name) for name in columns])
    writer.writerows([_inert(value) for value in row] for row in rows)


def _inert(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def record_bytes(record_id: str) -> bytes:
    """The 16 bytes of a record id."""
    try:
        return UUID(record_id).bytes
    except ValueError:
        raise InvalidConfiguration("This is not a record id", fix="See `gateway records`.") from None


def require_known(gateway: Gateway, tenant: str, patient: bytes) -> None:
    """Refuse a patient of whom nothing is known: an id that was mistyped must not pass for one who is left in peace."""
    if not any(gateway.store.read_sync(lambda c: shreds.counts(c, tenant, patient)).values()):
        raise InvalidConfiguration("Nothing is known of this patient", fix="See `gateway patients find`.")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table for people; nothing in a cell is read as markup. Without any row one line says so."""
    if not rows:
        typer.echo(f"{title}: none")
        return
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        name = column.replace("_", " ")
        shown.add_column(name, overflow="fold", no_wrap=column == "id")  # an id is there to be copied
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED  # into a pipe each row is one line
    Console(markup=False, highlight=False, width=wide).print(shown)


def fields(title: str, found: Mapping[str, Any]) -> None:
    """One thing with the names of its fields before their values; what is nested has dots in its name."""
    table(title, ("field", "value"), list(_flat("", found)))


def _flat(before: str, value: Any) -> Iterator[tuple[str, Any]]:
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping) and value:
        pairs = value.items()
    elif isinstance(value, list | tuple) and value:
        pairs = enumerate(value, 1)
    else:
        yield before, value
        return
    for name, inner in pairs:
        yield from _flat(f"{before}.{name}" if before else str(name), inner)


def listing(title: str, columns: Sequence[str], found: Sequence[Mapping[str, Any]]) -> None:
    """A table of these fields of what was found; what has none of them has an empty cell."""
    table(title, columns, [[one.get(column) for column in columns] for one in found])


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    if _MOMENT.fullmatch(text):  # to the second, with a place where a narrow column may break it
        text = f"{text[:10]} {text[11:19]}Z"
    return "".join(char if char.isprintable() else "?" for char in text)
