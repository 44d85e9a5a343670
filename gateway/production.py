"""What production mode refuses: set-ups fit only to try things out, each with its place and its cure.

Plugins take part by what they call their settings: one named in :data:`TRIALS` that is set is refused wherever it
stands. What a key provider knows of itself it says by ``weaknesses``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel
from sqlalchemy import Connection

from gateway.access import scopes
from gateway.configured import Configured
from gateway.diagnosis import Location, Problem, problem_at
from gateway.registry import Registry
from gateway.secret import Secret
from gateway.settings import EMBEDDED, Settings, is_loopback_host
from gateway.settings_people import EVERYBODY
from gateway.store import clients

TRIALS: Mapping[str, str] = {
    "allow_loopback": "A receiver on this machine may be reached, without TLS too",
    "plaintext": "Patient data goes out without TLS",
    "plaintext_networks": "Peers of some networks speak without TLS",
}
"""Setting of a plugin -> what is weak about it."""
LARGEST_MESSAGE = 64 * 2**20
LONGEST_GAP = 60.0
"""Seconds of the audit log that no witness may know of yet."""


def refusals(settings: Settings, configured: Configured, config: Path, text: str) -> list[Problem]:
    """Everything about settings and files that production mode refuses; empty when there is nothing.

    Args:
        settings: the checked settings.
        configured: the plugins' own settings.
        config: the settings file itself.
        text: its text, to name lines.
    """
    return [
        *_http(settings, text),
        *_store(settings, text),
        *_watched(settings, text),
        *_people(settings, text),
        *_plugins(settings, configured, text),
        *_files(settings, configured, config),
    ]


def client_refusals(connection: Connection, tenants: Sequence[str]) -> list[Problem]:
    """Machine clients that may ask for all their view grants, by name of their id."""
    return [
        Problem(
            "A client may ask for every record type of its view", f"client {row.client}", None,
            "Add it anew with the scopes it needs: gateway clients add --scope system/Appointment.rs.",
        )
        for row in clients.everyone(connection)
        if row.tenant in tenants and row.revoked_at is None
        and (not row.scopes.split() or "*" in scopes.names(row.scopes.split()))
    ]  # fmt: skip


def unwatched(settings: Settings, registry: Registry, configured: Configured, text: str) -> list[Problem]:
    """Whether each witness hears too seldom, or keeps what it hears beside the data.

    What was signed since the last head that it has could be rewritten unseen, and so could all that stands on the
    device of the data: whoever takes that one back takes its witness back with it.
    """
    prompt = [one for one in settings.witnesses if registry.witnesses[one.witness].every <= LONGEST_GAP]
    fix = "Keep these, and add one that hears at once: another host (http), or a folder on another device (file)."
    if settings.witnesses and not prompt:
        return [problem_at("No witness hears of the audit log at least once a minute", ("witnesses",), text, fix)]
    beside = [_is_beside(configured.witnesses[one.name], settings) for one in prompt]
    if beside and all(beside):
        what = "The witness of the audit log is on the device of the data: whoever takes back the one has the other"
        return [problem_at(what, ("witnesses",), text, fix)]
    return []


def _is_beside(witness: BaseModel, settings: Settings) -> bool:
    """Whether a witness keeps heads in a file (its setting ``path``) on the device of the embedded store."""
    path = getattr(witness, "path", None)
    embedded = settings.store.url == EMBEDDED
    return embedded and isinstance(path, Path) and _device(path) == _device(settings.data.directory)


def _device(path: Path) -> int:
    """The device of a file, or of the folder that it is going to be in."""
    return next(one for one in (path, *path.parents) if one.exists()).stat().st_dev


def _http(settings: Settings, text: str) -> Iterator[Problem]:
    http = settings.http
    if http is None:
        return
    if http.certificate is None and not is_loopback_host(http.host):
        yield problem_at(
            "The port is open to the network without TLS", ("http", "host"), text,
            "Set certificate and key, or listen on 127.0.0.1 and put the proxy on this machine.",
        )  # fmt: skip
    url = urlsplit(http.public_url)
    if url.scheme == "http" and not is_loopback_host(url.hostname or ""):
        yield problem_at("Partners are told to come without TLS", ("http", "public_url"), text, "Write https://...")
    if http.hook_loopback:
        what = "Clients may have patient data sent to any port of this machine, without TLS too"
        yield problem_at(what, ("http", "hook_loopback"), text, "Take out hook_loopback.")


def _store(settings: Settings, text: str) -> Iterator[Problem]:
    if settings.store.url == EMBEDDED:
        return
    url = urlsplit(settings.store.url)
    modes = parse_qs(url.query).get("sslmode", [])
    if url.hostname and not is_loopback_host(url.hostname) and modes != ["verify-full"]:
        yield problem_at(
            "The database is reached without a checked certificate", ("store", "url"), text, "Add ?sslmode=verify-full."
        )


def _watched(settings: Settings, text: str) -> Iterator[Problem]:
    if not settings.witnesses:
        yield problem_at(
            "Nobody outside keeps the heads of the audit log, so a rolled-back one would not be found", ("witnesses",),
            text, "Add [[witnesses]]: another host, a time-stamp, or mail to the compliance officer.",
        )  # fmt: skip
    if settings.log.level == "debug":
        yield problem_at("The log is set for debugging", ("log", "level"), text, 'Set level = "info".')
    if settings.limits.message_bytes > LARGEST_MESSAGE:
        yield problem_at(
            "One message may be larger than any standard needs", ("limits", "message_bytes"), text,
            f"Allow at most {LARGEST_MESSAGE} bytes; files have a limit of their own.",
        )  # fmt: skip


def _people(settings: Settings, text: str) -> Iterator[Problem]:
    if EVERYBODY in settings.people.command_line:
        yield problem_at(
            "Every account of this machine that can read the keys has a role", ("people", "command_line"), text,
            'Name accounts: [people.command_line] with maria = "admin".',
        )  # fmt: skip
    issuer = settings.people.oidc and urlsplit(settings.people.oidc.issuer)
    if issuer and issuer.scheme != "https":
        yield problem_at(
            "The identity provider is asked without TLS", ("people", "oidc", "issuer"), text, "Write https://..."
        )
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield Problem(
            "The gateway runs as root", "process", None, "Give it an account of its own that owns its folders alone."
        )


def _plugins(settings: Settings, configured: Configured, text: str) -> Iterator[Problem]:
    groups: tuple[tuple[str, Sequence[Any], Mapping[str, BaseModel]], ...] = (
        ("sources", settings.sources, configured.sources),
        ("routes", settings.routes, configured.routes),
        ("reactors", settings.reactors, configured.reactors),
        ("witnesses", settings.witnesses, configured.witnesses),
    )
    for key, parts, found in groups:
        for number, part in enumerate(parts):
            if part.name in found:
                yield from _trials(found[part.name], (key, number, "config"), text)
    for place, keys in ((("keys",), configured.keys), (("keys", "previous"), configured.previous_keys)):
        if keys is not None:
            yield from _trials(keys, (*place, "config"), text)


def _trials(config: BaseModel, place: Location, text: str) -> Iterator[Problem]:
    for name, value in config:
        if name in TRIALS and value:
            yield problem_at(TRIALS[name], (*place, name), text, f"Take out {name}.")
        elif isinstance(value, BaseModel):
            yield from _trials(value, (*place, name), text)
        elif isinstance(value, tuple | list):
            for number, inner in enumerate(value):
                if isinstance(inner, BaseModel):
                    yield from _trials(inner, (*place, name, number), text)


def _files(settings: Settings, configured: Configured, config: Path) -> Iterator[Problem]:
    """Files and folders that other accounts of this machine can read, or, for the settings, write."""
    if _mode(config) & (stat.S_IWGRP | stat.S_IWOTH):
        yield Problem("Other accounts can change the settings", config.name, None, f"chmod 640 {config.name}")
    folder = config.resolve().parent
    if _mode(folder) & (stat.S_IWGRP | stat.S_IWOTH):
        fix = f"chmod go-w {folder.name}"
        yield Problem("Other accounts can put other settings in the place of these", folder.name, None, fix)
    secret = [settings.keys.keystore, settings.keys.shred_list, settings.data.directory]
    if settings.http is not None and settings.http.key is not None:
        secret.append(settings.http.key)
    models = [settings, configured.keys, configured.previous_keys]
    for group in (configured.sources, configured.routes, configured.reactors, configured.witnesses):
        models += group.values()
    secret += [Path(one.removeprefix("file:")) for model in models for one in _secrets(model)]
    for path in dict.fromkeys(secret):
        if _mode(path) & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IXGRP & ~stat.S_IXOTH:
            yield Problem(
                "Other accounts can get at this", path.name, None, f"chmod go= {path.name}, and see who owns it"
            )


def _mode(path: Path) -> int:
    """Permission bits; none for what is not there yet."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _secrets(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        if value.startswith("file:"):
            yield value
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _secrets(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _secrets(inner)
