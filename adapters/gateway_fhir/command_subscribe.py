"""``gateway fhir subscribe``, ``subscriptions`` and ``unsubscribe``: be told by a server what changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from yarl import URL

from gateway.command_line import DEFAULT_CONFIG, ConfigOption, JsonOption, as_json, source_settings, tell
from gateway.errors import InvalidConfiguration
from gateway.settings import load, resolve_secret
from gateway.transport.http import HttpClient, is_loopback
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_subscription import HIDDEN, LIVE, Asked, Content, Subscription

SourceArgument = Annotated[str, typer.Argument(help="Name of the source in gateway.toml.")]
_CONTENTS = ("empty", "id-only", "full-resource")
_HEARTBEAT, _LONGEST = 300, 86_400
WAIT = 15.0
"""Seconds in which a server may decide about a new one, handshake and all."""


def subscribe(
    source: SourceArgument,
    type: Annotated[
        list[str] | None, typer.Option(help="Resource type to be told of, may be repeated; all that are read if none.")
    ] = None,
    topic: Annotated[str, typer.Option(help="Address of a topic (R4 backport) instead of types.")] = "",
    content: Annotated[
        str, typer.Option(help="What a notification carries: empty, id-only (topics alone) or full-resource.")
    ] = "empty",
    heartbeat: Annotated[
        int, typer.Option(min=0, max=_LONGEST, help="Of a topic: seconds of silence until a heartbeat; 0: none.")
    ] = _HEARTBEAT,
    anew: Annotated[
        bool, typer.Option(help="Make them anew though they are active, as for a new hook_secret.")
    ] = False,
    active: Annotated[
        bool, typer.Option(help="Send them as active: for servers that leave a requested one as it is (Medplum).")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Show what would be sent, and send nothing.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Make Subscriptions at the server that notify this gateway; one that is active already is kept.

    Exit code 1 when one of them is not active at the end.
    """
    part, endpoint = _settings(config, source)
    if content not in _CONTENTS or (content == "id-only" and not topic) or (topic and type):
        raise InvalidConfiguration(
            "These do not go together", where="--content, --topic, --type",
            fix="--content is empty, full-resource, or of a --topic id-only; a --topic stands instead of every --type.",
        )  # fmt: skip
    secret = _secret(part)
    made = Asked(
        subject=topic, endpoint=endpoint, content=cast("Content", content), source=source, topic=bool(topic),
        heartbeat=heartbeat if topic else 0, status="active" if active else "requested",
    )  # fmt: skip
    told = asyncio.run(subscribed(part, made, type or (), secret, anew=anew, dry_run=dry_run))
    if dry_run or json_:
        as_json(told)
    else:
        for one in told:
            typer.echo(f"{one['subject']}: Subscription {one['id']} {one['done']}, {one['status']}")
        if any(one["status"] == "requested" for one in told):
            typer.echo(f"What is requested is not active yet: `gateway fhir subscriptions {source}` shows when it is.")
            typer.echo("Servers that leave that to us (Medplum) need `gateway fhir subscribe --active`.")
    if not dry_run and any(one["status"] != "active" for one in told):
        raise typer.Exit(1)


def subscriptions(source: SourceArgument, config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """List our Subscriptions at the server with their status, and what the server says went wrong.

    Exit code 1 when one of them is in error, or off.
    """
    part, endpoint = _settings(config, source)
    found = asyncio.run(_ours(part, endpoint))
    rows = [_shown(one) for one in found]
    lines = [
        f"{one['id']}: {one['subject']} ({one['content']}), {one['status']} {one['error']}".strip() for one in rows
    ]
    tell(rows, "\n".join(lines) or "The server has no Subscription that leads here.", json_=json_)
    if any(one.status not in LIVE for one in found):
        raise typer.Exit(1)


def unsubscribe(
    source: SourceArgument,
    id: Annotated[str, typer.Argument(help="Id of the Subscription, as `subscriptions` lists it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """End one of our Subscriptions at the server; one that leads elsewhere is left alone."""
    part, endpoint = _settings(config, source)
    asyncio.run(_ended(part, endpoint, id))
    tell({"source": source, "id": id, "ended": True}, f"Subscription {id} is ended.", json_=json_)


def _settings(config: Path, source: str) -> tuple[FhirConfig, str]:
    """The source's settings, and where a server reaches it."""
    part, http = source_settings(config, source, FhirConfig), load(config).http
    if part.base_url is None:
        raise InvalidConfiguration("This source has no server", where=f"sources.{source}.config", fix="Set base_url.")
    part.must_enter(part.base_url)
    if http is None or (is_loopback(URL(http.url)) and not is_loopback(URL(part.base_url))):
        raise InvalidConfiguration(
            "A server elsewhere cannot reach this gateway", where="[http] public_url",
            fix="Set [http] with the address under which partners reach it, such as https://gateway.example.org.",
        )  # fmt: skip
    return part, f"{http.url}/hooks/{source}"


def _secret(part: FhirConfig) -> str:
    """What the server is to show in a header: plain characters, and no colon, at which some servers cut headers."""
    if part.hook_secret is None:
        raise InvalidConfiguration(
            "Without a secret nobody may notify this source", where="hook_secret",
            fix="Set hook_secret, make a secret with `openssl rand -hex 32`, and restart the gateway.",
        )  # fmt: skip
    secret = resolve_secret(part.hook_secret)
    if re.fullmatch(r"[!-9;-~]{16,1000}", secret, re.ASCII) is None:
        raise InvalidConfiguration(
            "The secret cannot stand in a header, or is too short", where="hook_secret",
            fix="Make one with `openssl rand -hex 32`.",
        )  # fmt: skip
    return secret


async def subscribed(
    part: FhirConfig, first: Asked, types: Sequence[str], secret: str, *, anew: bool, dry_run: bool
) -> list[dict[str, Any]]:
    """What came of it, for each type or the topic; of a dry run what would be sent."""
    from msgspec import structs

    from gateway_fhir.transport_discovery import plan
    from gateway_fhir.transport_subscribe import admitted, listed, opened, takes

    async with opened(part) as (capabilities, open_client):
        takes(capabilities, first.subject)
        found = plan(capabilities, part)
        served = [*found.search, *found.export]
        unknown = [one for one in types if one not in served]
        if unknown:
            raise InvalidConfiguration(
                "This type is not read from the server", where="--type", fix=f"It gives {', '.join(served) or 'none'}."
            )
        every = [first] if first.topic else [structs.replace(first, subject=one) for one in types or served]
        if dry_run:
            return [asked.resource(HIDDEN) for asked in every]
        async with admitted(part, open_client) as known:
            there = await listed(known, part)
            return [await _one(known, part, asked, there, secret, anew=anew) for asked in every]


async def _one(
    known: HttpClient, part: FhirConfig, asked: Asked, there: Sequence[Subscription], secret: str, *, anew: bool
) -> dict[str, Any]:
    """Keep one that serves, or make one; then end the others that tell of the same."""
    from gateway_fhir.transport_subscribe import end, make, settled

    same = [one for one in there if asked.same(one)]
    serving = [one for one in same if asked.equals(one, secret)]
    if serving and not anew:
        kept, done = min(serving, key=lambda one: one.status), "kept"  # an active one before one that was requested
    else:
        kept = await settled(known, part, await make(known, part, asked, secret), WAIT)
        done = "made anew" if same else "made"
    if kept.status in LIVE:  # else the old one may be better than nothing
        await end(known, part, [one.id for one in same if one.id != kept.id])
    return _shown(kept) | {"done": done, "subject": asked.subject}


async def _ours(part: FhirConfig, endpoint: str) -> list[Subscription]:
    from gateway_fhir.transport_subscribe import admitted, listed, opened

    async with opened(part) as (_, open_client), admitted(part, open_client) as known:
        return [one for one in await listed(known, part) if one.channel.endpoint == endpoint]


async def _ended(part: FhirConfig, endpoint: str, id: str) -> None:
    from gateway_fhir.transport_subscribe import admitted, end, listed, opened

    async with opened(part) as (_, open_client), admitted(part, open_client) as known:
        ours = [one.id for one in await listed(known, part) if one.channel.endpoint == endpoint]
        if id not in ours:
            raise InvalidConfiguration(
                "The server has no Subscription of this id that leads here", where="ID",
                fix="`gateway fhir subscriptions` lists those that do.",
            )  # fmt: skip
        await end(known, part, [id])


def _shown(one: Subscription) -> dict[str, Any]:
    """For people and programs; the server's words are cut to a line, and headers are not shown."""
    error = " ".join("".join(each if each.isprintable() else " " for each in one.error[:1000]).split())[:200]
    return {"id": one.id, "subject": one.subject, "content": one.content, "status": one.status, "error": error}
