"""clients add, list, rotate, revoke: who may ask over HTTP, for what, and under which keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.access import assertion, scopes, secrets
from gateway.bootstrap import Gateway
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    listing,
    opened,
    tell,
    tenant_of,
    view_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.clock import iso, micros
from gateway.store import clients

app = typer.Typer(no_args_is_help=True, help="Who may ask over HTTP, for what, and under which keys.")
ClientArgument = Annotated[str, typer.Argument(help="The id that `clients list` shows.")]
ONCE = "The key is shown this once and kept only as a hash; hand it over on a safe way."


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What people call it: the company and the system.")],
    view: Annotated[str, typer.Option(help="The view whose fields it may see.")],
    purpose: Annotated[str, typer.Option(help="Why, in one word, for the patients' disclosure lists.")],
    recipient: Annotated[str, typer.Option(help="Who gets the data, for the patients' disclosure lists.")] = "",
    tenant: TenantOption = "",
    scope: Annotated[list[str] | None, typer.Option(help="system/Appointment.rs and the like; all when none.")] = None,
    location: Annotated[list[str] | None, typer.Option(help="Only this clinic, as SOURCE:ID; all when none.")] = None,
    hook_host: Annotated[list[str] | None, typer.Option(help="A host its subscriptions may name.")] = None,
    quota: Annotated[int, typer.Option(min=1, max=1_000_000, help="Requests a minute.")] = 600,
    jwks: Annotated[Path | None, typer.Option(help="File with its public JWK Set: no secret is made then.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Register a client. Without --jwks it gets a key, which is its API key and its OAuth2 client secret alike."""
    with opened(config) as gateway:
        row = {
            "client": secrets.client_id(), "tenant": tenant_of(gateway, tenant), "name": _short(name, 120),
            "view": _known(gateway, view), "purpose": _word(purpose), "recipient": _short(recipient or name, 120),
            "scopes": " ".join(scope or ()), "hook_hosts": json.dumps([_host(host) for host in hook_host or ()]),
            "quota": quota, "jwks": "" if jwks is None else assertion.checked_keys(_read(jwks)),
            "created_at": micros(), "revoked_at": None,
        }  # fmt: skip
        row["locations"] = json.dumps([location_hex(gateway, str(row["tenant"]), one) for one in location or ()])
        for one in scope or ():
            if not scopes.known(one, gateway.views[view].grants):
                raise InvalidConfiguration(
                    "There is no such scope", where="--scope", fix="Write system/Appointment.rs or system/*.rs."
                )
        made = None if jwks is not None else secrets.make()
        changed(gateway, row, "added", lambda connection: _keep(connection, row, made))
    _show(str(row["client"]), made, json_=json_)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False) -> None:
    """Every client, its view, and the public parts of its keys."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        rows = gateway.store.read_sync(clients.everyone)
        kept = gateway.store.read_sync(clients.secrets)
    found = [
        {
            "id": row.client, "name": row.name, "view": row.view, "purpose": row.purpose, "recipient": row.recipient,
            "scopes": row.scopes.split(), "locations": len(json.loads(row.locations)), "quota": row.quota,
            "created_at": iso(row.created_at),
            "revoked_at": None if row.revoked_at is None else iso(row.revoked_at),
            "jwks": bool(row.jwks),
            "keys": [
                {"public": one.secret, "ends_at": None if one.expires_at is None else iso(one.expires_at)}
                for one in kept
                if one.client == row.client
            ],
        }
        for row in rows
        if row.tenant == name
    ]  # fmt: skip
    if json_:
        as_json(found)
        return
    columns = ("id", "name", "view", "purpose", "quota", "revoked_at")
    listing("Clients", columns, found)


@app.command()
def rotate(
    client: ClientArgument,
    overlap: Annotated[int, typer.Option(min=0, max=90 * 24, help="Hours for which the old keys hold on.")] = 24,
    jwks: Annotated[Path | None, typer.Option(help="File with the new public JWK Set.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Make a new key; the old ones hold on for a while so that the client can change over."""
    with opened(config) as gateway:
        row = _found(gateway, client)
        made = None if jwks is not None else secrets.make()
        ends = micros() + overlap * 3_600_000_000

        def unit(connection: Any) -> None:
            if jwks is not None:
                clients.set_keys(connection, client, assertion.checked_keys(_read(jwks)))
            if made is not None:
                clients.expire_secrets(connection, client, ends)
                clients.add_secret(connection, client, made.public, made.hash, micros())

        changed(gateway, row, "rotated", unit)
    _show(client, made, json_=json_)


@app.command()
def revoke(client: ClientArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """Let a client in no more: its keys and tokens are refused everywhere within five seconds."""
    with opened(config) as gateway:
        row = _found(gateway, client)
        changed(gateway, row, "revoked", lambda connection: clients.revoke(connection, client, micros()))
    tell({"client": client, "revoked": True}, f"{client} is revoked.", json_=json_)


def changed(gateway: Gateway, row: Any, outcome: str, unit: Callable[[Any], None]) -> None:
    """Change a client and write so in its tenant's audit log, in one commit."""
    client, tenant = (row["client"], row["tenant"]) if isinstance(row, dict) else (row.client, row.tenant)
    entry = gateway.audit.entry(
        tenant, action="client", actor=actor(), purpose="operations", outcome=outcome, clients=[client]
    )
    gateway.audit.commit(entry, unit)


def _keep(connection: Any, row: dict[str, Any], made: secrets.Made | None) -> None:
    clients.add(connection, row)
    if made is not None:
        clients.add_secret(connection, row["client"], made.public, made.hash, row["created_at"])


def _show(client: str, made: secrets.Made | None, *, json_: bool) -> None:
    sentence = f"client {client}" + ("" if made is None else f"\nkey    {made.text}\n{ONCE}")
    tell({"client": client, "key": None if made is None else made.text}, sentence, json_=json_)


def _found(gateway: Gateway, client: str) -> Any:
    rows = gateway.store.read_sync(clients.everyone)
    found = next((row for row in rows if row.client == client and row.tenant in gateway.tenants), None)
    if found is None:
        raise InvalidConfiguration("There is no such client", where=client[:60], fix="See `gateway clients list`.")
    return found


def _known(gateway: Gateway, view: str) -> str:
    if view_of(gateway, view).veiled:
        raise InvalidConfiguration(
            "Records without identifiers go out by routes alone",
            where="--view",
            fix="Configure a route with this view.",
        )
    return view


def _word(purpose: str) -> str:
    if not purpose.replace("-", "").replace("_", "").replace(".", "").isalnum() or len(purpose) > 40:
        raise InvalidConfiguration("A purpose is one word", where="--purpose", fix="Write payment or operations.")
    return purpose


def _short(text: str, most: int) -> str:
    if not text.strip() or len(text) > most or not text.isprintable():
        raise InvalidConfiguration(
            "This cannot be a name", where="name", fix=f"Write 1 to {most} printable characters, not blanks alone."
        )
    return text


def _host(host: str) -> str:
    if urlsplit(f"https://{host}").hostname != host.lower() or not host:
        raise InvalidConfiguration("This is not a host name", where="--hook-host", fix="Write hooks.example.org.")
    return host.lower()


def location_hex(gateway: Gateway, tenant: str, text: str) -> str:
    """The record id, in hex, of a clinic that was named SOURCE:ID."""
    source, colon, native = text.partition(":")
    if not colon or (tenant, source) not in gateway.sources:
        known = ", ".join(name for owner, name in gateway.sources if owner == tenant)
        raise InvalidConfiguration(
            "A location is SOURCE:ID", where="--location", fix=f"Known sources are: {known or 'none'}."
        )
    return gateway.vault.record_id(tenant, source, "Location", native).replace("-", "")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"The file cannot be read: {type(error).__name__}", where=str(path), fix="Name a JWK Set in UTF-8."
        ) from None
