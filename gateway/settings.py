"""One ``gateway.toml``: every setting has a type, a sentence and a place, and every mistake is told at once.

Paths are relative to the file's own folder. Secrets are references (``env:NAME`` or ``file:path``), looked up when
they are used; a secret in plain text is refused. No error here repeats what was written as a value.
"""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gateway.diagnosis import REACTOR_NAME, SOURCE_NAME, InvalidSettings, Problem, diagnose, nearest
from gateway.errors import InvalidConfiguration
from gateway.model import TYPES
from gateway.model.opening_hours import parse_hours
from gateway.secret import Secret, located, resolve_secret
from gateway.settings_http import Http, is_loopback_host
from gateway.settings_keys import Keys, Name, Part, PreviousKeys, Retention
from gateway.settings_people import Oidc, People
from gateway.settings_polling import Polling
from gateway.settings_retries import RetrySteps

__all__ = [
    "Data", "Http", "Keys", "Limits", "Log", "Oidc", "Part", "People", "PreviousKeys", "Reactor", "Route", "Secret",
    "Settings", "Source", "StorePart", "Tenant", "Zone", "is_loopback_host", "load", "parse",
    "resolve_secret", "starter_toml",
]  # fmt: skip

EMBEDDED = "embedded"


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError("is not a time zone of the IANA database, such as America/Chicago") from None
    return name


def _field_path(path: str) -> str:
    type_name, _, name = path.partition(".")
    if name not in getattr(TYPES.get(type_name), "__struct_fields__", ()):
        raise ValueError("is not a record type and one of its fields, such as Reminder.state")
    return path


def _hours(text: str) -> str:
    parse_hours(text)
    return text


def _store_url(url: str) -> str:
    if url == EMBEDDED:
        return url
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme != "postgresql+psycopg":
        raise ValueError("is neither 'embedded' nor a postgresql+psycopg:// URL")
    if password:
        raise ValueError("holds a password; take it out and name it under password, as env:NAME or file:path")
    return url


FieldPath = Annotated[str, AfterValidator(_field_path)]
HoursText = Annotated[str, AfterValidator(_hours)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
SourceName = Annotated[str, Field(pattern=SOURCE_NAME)]
Zone = Annotated[str, AfterValidator(_zone)]


class Data(Part):
    """``[data]``."""

    directory: Path = Field(
        default=Path("data"), description="Folder of the embedded store, health file and spooled files."
    )


class StorePart(Part):
    """``[store]``."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(
        default=EMBEDDED, description="'embedded', or postgresql+psycopg://user@host/database."
    )
    password: Secret | None = Field(
        default=None, description="Reference to the database password, when the server asks for one."
    )


class Tenant(Part):
    """``[[tenants]]``."""

    name: Name = Field(description="One clinic group; nothing crosses tenants.")


class Source(Part):
    """``[[sources]]``."""

    name: Name = Field(description="One system at one tenant, such as northside-ris.")
    tenant: Name = Field(description="The tenant it belongs to.")
    adapter: Name = Field(description="The adapter that speaks its language.")
    zone: Zone = Field(description="The IANA time zone of its clinics, for times that come without one.")
    profile: Name | None = Field(
        default=None, description="A profile that the adapter ships for systems of this kind, laid over its mapping."
    )
    overlay: Path | None = Field(
        default=None, description="Folder with mapping rules that replace single rules of mapping and profile."
    )
    goals: dict[str, Seconds] = Field(
        default_factory=dict,
        description="Seconds that what is known of a stream may be old, by stream; '*' stands for the others.",
    )
    sweep_seconds: float = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="Seconds between two full readings of a list, which find deletions; 0 switches them off.",
    )  # fmt: skip
    most_absent: float = Field(
        default=0.1, ge=0, le=1, description="The largest part of a list whose absence is believed without a person."
    )
    drift: bool | None = Field(
        default=None,
        description="Whether a field that drifted is held while its record goes on; unset: where its form is learnt.",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="The adapter's own settings.")


class Reactor(Part):
    """``[[reactors]]``."""

    name: str = Field(pattern=REACTOR_NAME, description="One reactor at one tenant; its source is reactor.<name>.")
    tenant: Name = Field(description="The tenant whose records it reads.")
    reactor: Name = Field(description="The reactor that derives.")
    config: dict[str, Any] = Field(default_factory=dict, description="The reactor's own settings.")


class Route(Part):
    """``[[routes]]``."""

    name: Name = Field(description="One feed to one system outside.")
    tenant: Name = Field(description="The tenant whose changes it carries.")
    sink: Name = Field(description="The sink that delivers.")
    sources: tuple[SourceName, ...] = Field(
        default=(), description="Only changes of these sources, reactor.<name> for derived ones; all when empty."
    )
    types: tuple[str, ...] = Field(
        default=(), description="Only these record types; all that the view grants when empty."
    )
    locations: tuple[str, ...] = Field(
        default=(), description="Only records of these locations, by native id; all when empty."
    )
    view: Name = Field(description="The named set of fields it may see.")
    purpose: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$",
        description="Why the data is disclosed, in one word of at most 40 letters, for the patient's disclosure list.",
    )
    recipient: str = Field(min_length=1, description="Who gets the data, for the patient's disclosure list.")
    start: Literal["beginning", "now"] = Field(
        default="beginning", description="Where a new route begins in the journal."
    )
    poison: Literal["halt", "gap"] = Field(
        default="halt",
        description="After a refused delivery: halt that patient's later ones, or leave a gap and go on.",
    )
    where: dict[FieldPath, tuple[str, ...]] = Field(
        default_factory=dict, description="Only records whose field, as Reminder.state, holds one of these values."
    )
    latest_only: bool = Field(
        default=False, description="Whether a version that a newer one has followed is suppressed instead of sent."
    )
    expires: tuple[FieldPath, ...] = Field(
        default=(), description="Fields, as Reminder.start, after whose time a change is not sent any more."
    )
    expires_after: float | None = Field(
        default=None, gt=0, description="Seconds from a change on after which it is not sent any more."
    )
    stale_after: float | None = Field(
        default=None, gt=0, description="Seconds of silence of a source after which its changes are held back."
    )
    hours: tuple[HoursText, ...] = Field(
        default=(), description="When it sends, as mon-fri 08:00-18:00; always if empty."
    )
    zone: Zone = Field(default="UTC", description="The IANA time zone of its hours.")
    per_second: float | None = Field(default=None, gt=0, description="The most deliveries per second on average.")
    at_once: int | None = Field(default=None, gt=0, description="The most deliveries handed to the sink at one time.")
    retries: RetrySteps | None = Field(
        default=None, description="Seconds, at most, before each further attempt; nine from 5 s to 24 h if not given."
    )
    retries_per_hour: int = Field(
        default=20_000, gt=0, description="The retry budget: how many further attempts it may make in an hour."
    )
    break_after: int = Field(
        default=10, gt=0, description="After failures of so many patients in a row the receiver is left alone a while."
    )
    answers: SourceName | None = Field(
        default=None, description="The source as whose messages the receiver's answers are stored."
    )
    writes_to: SourceName | None = Field(
        default=None, description="The source to whose system it writes: whose own ids its sink may be told."
    )
    shadow_of: Name | None = Field(
        default=None, description="The route whose work this one repeats at a test sink, for `gateway routes compare`."
    )
    config: dict[str, Any] = Field(default_factory=dict, description="The sink's own settings.")


class Witness(Part):
    """``[[witnesses]]``."""

    name: Name = Field(description="One place outside the database that keeps signed heads of the audit log.")
    witness: Name = Field(description="The kind of witness: file, http, mail, timestamp.")
    config: dict[str, Any] = Field(default_factory=dict, description="The witness's own settings.")


class Limits(Part):
    """``[limits]``."""

    message_bytes: int = Field(default=16 * 2**20, gt=0, description="The largest single message, in bytes.")
    file_bytes: int = Field(
        default=16 * 2**30, gt=0, description="The largest file that `gateway import` takes, in bytes."
    )
    unsettled_messages: int = Field(
        default=200_000,
        gt=0,
        description="Accepted messages that may wait to be normalized before peers wait too; history fills half of it.",
    )


class Log(Part):
    """``[log]``."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is written."
    )


class Settings(Part):
    """The whole of ``gateway.toml``."""

    mode: Literal["development", "production"] = Field(
        default="development", description="production refuses set-ups that are fit only to try things out."
    )
    plugins: tuple[str, ...] = Field(
        default=(), description="Plugins to load besides those named below, and pins written distribution:name."
    )
    data: Data = Field(default=Data(), description="Where data lives.")
    store: StorePart = Field(default=StorePart(), description="Which database.")
    keys: Keys = Field(default=Keys(), description="Which keys.")
    tenants: tuple[Tenant, ...] = Field(min_length=1, description="The clinic groups.")
    sources: tuple[Source, ...] = Field(default=(), description="The systems that bring messages in.")
    reactors: tuple[Reactor, ...] = Field(default=(), description="What derives records from records.")
    routes: tuple[Route, ...] = Field(default=(), description="The feeds to systems outside.")
    witnesses: tuple[Witness, ...] = Field(default=(), description="Who else keeps signed heads of the audit log.")
    views: dict[Name, dict[str, tuple[str, ...]]] = Field(
        default_factory=dict, description="Named field lists: per record type the paths a route may see."
    )
    retention: tuple[Retention, ...] = Field(default=(), description="How long things are kept; for ever without it.")
    limits: Limits = Field(default=Limits(), description="How much is too much.")
    polling: Polling = Field(default=Polling(), description="How systems outside are asked.")
    http: Http | None = Field(default=None, description="The public HTTP port.")
    people: People = Field(default=People(), description="Sessions of people, and whom commands act for.")
    log: Log = Field(default=Log(), description="What is logged.")

    def plugin_names(self) -> tuple[str, ...]:
        """The entry points to load, pins first; a key provider's begins with ``keys-``, a witness's ``witness-``."""
        pinned = {pin.rpartition(":")[2] for pin in self.plugins}
        used = [source.adapter for source in self.sources] + [route.sink for route in self.routes]
        used += [reactor.reactor for reactor in self.reactors]
        used += [] if self.http is None else [self.http.hook_sink]
        used.append(f"keys-{self.keys.provider}")
        if self.keys.previous is not None:
            used.append(f"keys-{self.keys.previous.provider}")
        used += [f"witness-{witness.witness}" for witness in self.witnesses]
        return (*self.plugins, *(name for name in dict.fromkeys(used) if name not in pinned))

    def data_folders(self) -> tuple[str, ...]:
        """Folders that hold sealed data, which keys must stay away from."""
        return (str(self.data.directory),)

    def source(self, name: str) -> Source:
        """The source of that name; ``InvalidConfiguration`` when there is none."""
        return _named(self.sources, name, "source")

    def route(self, name: str) -> Route:
        """The route of that name; ``InvalidConfiguration`` when there is none."""
        return _named(self.routes, name, "route")


NamedPart = TypeVar("NamedPart", Source, Route)


def _named(parts: Sequence[NamedPart], name: str, kind: str) -> NamedPart:
    for part in parts:
        if part.name == name:
            return part
    names = [part.name for part in parts]
    fix = nearest(name, names) or f"Known are: {', '.join(names) or 'none'}."
    raise InvalidConfiguration(f"There is no such {kind}", where=name[:64], fix=fix)


def load(path: Path) -> Settings:
    """Read and check ``gateway.toml``.

    Raises:
        InvalidSettings: the file is missing, is not TOML, or has mistakes; every one of them is in ``problems``.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8"
        fix = "Name one with --config, or let `gateway init` write one." if isinstance(error, FileNotFoundError) else ""
        raise InvalidSettings(str(path), [Problem(f"The settings cannot be read: {why}", "", None, fix)]) from None
    return parse(text, path.resolve().parent, path.name)


def parse(text: str, folder: Path, name: str = "gateway.toml") -> Settings:
    """Check the text of a ``gateway.toml`` whose relative paths begin at ``folder``.

    Raises:
        InvalidSettings: as for :func:`load`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).partition(" (at ")  # names a key or a single character, never a value
        line = re.search(r"line (\d+)", place)
        problem = Problem(f"This is not TOML: {why}", "", int(line[1]) if line else None, "Compare it with toml.io.")
        raise InvalidSettings(name, [problem]) from None
    settings, problems = diagnose(Settings, document, text)
    if settings is None or problems:
        raise InvalidSettings(name, problems)
    return located(settings, folder)


def starter_toml() -> str:
    """The commented ``gateway.toml`` that ``gateway init`` writes."""
    return files("gateway").joinpath("starter.toml").read_text("utf-8")
