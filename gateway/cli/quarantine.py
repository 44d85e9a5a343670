"""quarantine list, show, release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer

from gateway.bootstrap import Gateway
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    opened,
    table,
    tenant_of,
)
from gateway.cli.settling import once_settled, own_normalizer, settle_all
from gateway.diagnosis import nearest
from gateway.errors import InvalidConfiguration
from gateway.flow import quarantine
from gateway.store import messages

AT_ONCE = 10_000
"""The most that one release takes up; what is left is released by the same command again."""
OUTCOMES = {
    "normalized": "normalized",
    "suppressed": "suppressed",
    "quarantined": "quarantined again",
    "released": "waiting for `gateway serve`",
}

app = typer.Typer(no_args_is_help=True, help="What cannot proceed, why, and letting it go on.")
HeldId = Annotated[str, typer.Argument(help="The id that `quarantine list` shows.")]


@app.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many messages, the newest.")] = 1000,
    before: Annotated[str, typer.Option(help="Go on below this message: the last id of the page before.")] = "",
    json_: JsonOption = False,
) -> None:
    """What is in quarantine, with reason, place and fix: deliveries, and the newest messages."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        page = gateway.store.read_sync(lambda connection: quarantine.page(connection, name, limit, before))
    found = page.held
    if page.next:
        typer.echo(
            f"More than {limit} messages are in quarantine: see the older ones with --before {page.next}.", err=True
        )
    if json_:
        as_json(found)
        return
    rows = [(one.id, one.source, one.kind, one.reason, one.place, one.fix) for one in found]
    table("Quarantine", ("id", "source", "kind", "reason", "place", "fix"), rows)


@app.command()
def show(
    held_id: HeldId, config: ConfigOption = DEFAULT_CONFIG, tenant: TenantOption = "", json_: JsonOption = False
) -> None:
    """One entry in full."""
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        one = gateway.store.read_sync(lambda connection: quarantine.one_held(connection, name, held_id))
    if json_:
        as_json(one)
        return
    for field in one.__struct_fields__:
        typer.echo(f"{field:8} {getattr(one, field)}")


@app.command()
def release(
    held_ids: Annotated[list[str] | None, typer.Argument(help="Ids that `quarantine list` shows.")] = None,
    reason: Annotated[str, typer.Option(help="All that wait for this reason, or one that begins so: gave-up.")] = "",
    source: Annotated[str, typer.Option(help="All of this source.")] = "",
    route: Annotated[str, typer.Option(help="All deliveries of this route.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    json_: JsonOption = False,
) -> None:
    """Try again, now that the cause is mended: here, or by the gateway that serves; exit code 1 when it is not.

    A reason for which nothing waits, and a source or route that is not there, is a slip: exit code 2.
    """
    if bool(held_ids) == bool(reason or source or route):
        raise InvalidConfiguration(
            "Name what to release", where="quarantine release",
            fix="Ids of `gateway quarantine list`, or all of one --reason, --source or --route.",
        )  # fmt: skip
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        released = held_ids or _chosen(gateway, name, reason, source, route)
        for held_id in released:
            quarantine.release(gateway.store, gateway.audit, name, held_id, actor())
        with ExitStack() as held:
            normalizer = own_normalizer(gateway, held)
            if normalizer is not None:
                settle_all(gateway, normalizer)
        results = once_settled(
            lambda: [_result(gateway, name, held_id) for held_id in released],
            lambda found: any(one["outcome"] == "released" and one["id"].startswith("m") for one in found),
        )
    if json_:
        as_json({"released": released, "results": results})
    else:
        _tell(results)
    if any(one["outcome"] == "quarantined" for one in results):
        raise typer.Exit(1)


def _chosen(gateway: Gateway, tenant: str, reason: str, source: str, route: str) -> list[str]:
    """What waits for this reason, of this source and route; evidence of bytes that are no message stays.

    Raises:
        InvalidConfiguration: nothing waits for this reason, or there is no such source or route: it is misspelt.
    """
    known = gateway.store.read_sync(lambda connection: quarantine.reasons(connection, tenant))
    if reason and not any(_is_of(one, reason) for one in known):
        raise InvalidConfiguration(
            "Nothing in quarantine waits for this reason", where="--reason", fix=_known(reason, known)
        )
    found: list[quarantine.Held] = []
    before = ""
    while len(found) < AT_ONCE:
        page = gateway.store.read_sync(partial(quarantine.page, tenant=tenant, limit=AT_ONCE, before=before))
        found += [
            one
            for one in page.held
            if one.kind != "evidence"
            and (not reason or _is_of(one.reason, reason))
            and source in ("", one.source)
            and route in ("", one.route)
        ]
        before = page.next or ""
        if not before:
            break
    if not found:
        _check_names(gateway, tenant, source, route)
    return [one.id for one in reversed(found[:AT_ONCE])]


def _is_of(held: str, asked: str) -> bool:
    return held == asked or held.startswith(f"{asked}:")


def _check_names(gateway: Gateway, tenant: str, source: str, route: str) -> None:
    """Of a source and a route from which nothing waits: whether they are there at all."""
    sources = sorted(name for owner, name in gateway.origins if owner == tenant)
    if source and source not in sources:
        raise InvalidConfiguration("There is no such source", where="--source", fix=_known(source, sources))
    if route:
        gateway.settings.route(route)


def _known(word: str, known: Sequence[str]) -> str:
    return nearest(word, known) or f"Known are: {', '.join(known) or 'none'}."


def _result(gateway: Gateway, tenant: str, held_id: str) -> dict[str, str]:
    """What became of it; one that nobody took up yet is ``released``, and the gateway that serves will."""
    told = {"id": held_id, "outcome": "released", "reason": "", "place": ""}
    if held_id.startswith("m"):
        rows = gateway.store.read_sync(partial(messages.outcomes_of, tenant=tenant, message_id=int(held_id[1:])))
        told |= {"outcome": rows[-1].outcome, "reason": rows[-1].reason, "place": rows[-1].place}
    return told


def _tell(results: Sequence[Mapping[str, str]]) -> None:
    counts = Counter(one["outcome"] for one in results)
    typer.echo(f"{len(results)} released" + "".join(f", {count} {OUTCOMES[one]}" for one, count in counts.items()))
    again = [(one["id"], one["reason"], one["place"]) for one in results if one["outcome"] == "quarantined"]
    if again:
        table("Still in quarantine", ("id", "reason", "place"), again)
