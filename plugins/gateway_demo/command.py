"""The command ``demo``: start the world and the gateway, show what happens, verify, and stay up to be explored."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from gateway import bootstrap
from gateway.cli.printing import JsonOption, as_json, read
from gateway.cli.verifying import ledgers, reports
from gateway.errors import InvalidConfiguration
from gateway.flow.ledger import totals
from gateway.store import journal
from gateway_demo.command_client import billing_vendor
from gateway_demo.command_facts import facts
from gateway_demo.command_words import story
from gateway_demo.config import HOSPITAL, POLL_SECONDS, TENANT
from gateway_demo.simulator import World

ROLES = frozenset({"intake", "worker", "deliver", "api"})
LOOK_SECONDS = 0.5
QUIET_SECONDS = POLL_SECONDS + 1.5
"""Nothing pending and nothing new for longer than one poll of the vendor's lists: the day is over."""
MOST_SECONDS = 180.0
SHOWN = {
    "messages_accepted": "messages in", "changes": "changes", "delivered": "delivered", "suppressed": "suppressed",
    "quarantined": "in quarantine", "pending": "waiting",
}  # fmt: skip
MOVING = ("changes", "delivered", "quarantined", "pending")
"""What stands still at the end of the day; polls go on, and what they find again is counted as suppressed."""

app = typer.Typer(add_completion=False)
FolderOption = Annotated[
    Path | None, typer.Option(help="Keep everything in this folder; without it a temporary one is removed at the end.")
]


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary instead of staying up.")] = False,
    folder: FolderOption = None,
    json_: JsonOption = False,
) -> None:
    """The whole gateway on this machine: clinics, payers, bank, texts and books, both verifications at the end."""
    import uvloop

    with _workspace(folder) as place:
        summary = uvloop.run(_demo(place, once=once, json_=json_))
    if summary["unaccounted"] or not summary["audit_valid"] or summary["pending"]:
        raise typer.Exit(1)


@contextmanager
def _workspace(folder: Path | None) -> Iterator[Path]:
    """The folder that was named, or a temporary one that is removed at the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise InvalidConfiguration("The folder is not empty", where="--folder", fix="Name a new one.")
        yield folder.resolve()
        return
    place = Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    try:
        yield place
    finally:
        shutil.rmtree(place)


async def _demo(folder: Path, *, once: bool, json_: bool) -> dict[str, Any]:
    begun = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    world = await World.start(folder)
    try:
        config = world.config.write(folder)
        settings, text = read(config)
        with closing(bootstrap.open_gateway(settings, folder, text, create=True)) as gateway:
            console = Console(quiet=json_, highlight=False)
            console.print(
                f"The gateway serves from {folder}: one clinic group, {len(settings.sources)} sources,"
                f" {len(settings.reactors)} reactors, {len(settings.routes)} routes.\n"
            )
            world.vendor = billing_vendor(gateway, world.config.http_url(), folder)
            world.withdrawn = partial(_withdrawn, gateway)
            ready = asyncio.Event()
            serving = asyncio.create_task(bootstrap.serve(gateway, ROLES, ready.set))
            try:
                await _run(gateway, world, console, serving, stop, paced=not once)
                summary = await asyncio.to_thread(_summary, gateway, world)
                summary["elapsed_s"] = round(time.monotonic() - begun, 3)
                if json_:
                    as_json(summary)
                await asyncio.to_thread(_tell, console, gateway, summary, config)
                if not once and not stop.is_set():
                    console.print("\nIt stays up: open a second terminal. Ctrl-C ends it.")
                    await asyncio.wait({serving, asyncio.create_task(stop.wait())}, return_when="FIRST_COMPLETED")
            finally:
                serving.cancel()
                await asyncio.wait({serving})
            if not serving.cancelled():
                serving.result()  # what ended the serving is told, not hidden by the end of the demo
    finally:
        await world.stop()
    return summary


async def _run(
    gateway: bootstrap.Gateway,
    world: World,
    console: Console,
    serving: asyncio.Task[None],
    stop: asyncio.Event,
    *,
    paced: bool,
) -> None:
    """Play the day and watch until all of it is settled, a person stops it, or the time is up."""
    playing = asyncio.create_task(world.play(pause=0.02 if paced else 0.0))
    ends = time.monotonic() + MOST_SECONDS
    seen: dict[str, Any] = {}
    since = time.monotonic()
    try:
        with Live(console=console, auto_refresh=False) as live:
            while time.monotonic() < ends and not stop.is_set() and not serving.done():
                if playing.done():
                    playing.result()  # the world's own failure ends the demo
                found = await asyncio.to_thread(lambda: totals(ledgers(gateway)))
                live.update(_table(found), refresh=True)
                moved = {name: found[name] for name in MOVING}
                if moved != seen or not playing.done():
                    seen, since = moved, time.monotonic()
                elif not found["pending"] and time.monotonic() - since > QUIET_SECONDS:
                    return
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        playing.cancel()
        await asyncio.wait({playing})


def _table(found: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False)
    for name, words in SHOWN.items():
        table.add_row(words, f"[bold]{found[name]:>6}[/bold]")
    return table


def _summary(gateway: bootstrap.Gateway, world: World) -> dict[str, Any]:
    """What the day proved, what the world outside saw, and both verifications, which count the looks as well."""
    proved = facts(gateway, world)
    found = ledgers(gateway)
    audits = reports(gateway)
    return totals(found) | {
        "acknowledged": world.acknowledged,
        "refused": sum(one.refused for one in found),
        "suppressed_on_routes": sum(sum(route.suppressed.values()) for one in found for route in one.routes),
        "routes": {route.route: route.delivered for one in found for route in one.routes},
        "receiver": {name: getattr(world.receiver.counts, name) for name in world.receiver.counts.__struct_fields__},
        "audit_valid": all(one.valid for one in audits),
        "audit_entries": sum(one.rows for one in audits),
        **proved,
    }


def _tell(console: Console, gateway: bootstrap.Gateway, summary: dict[str, Any], config: Path) -> None:
    """The two equations with their numbers, and commands to go on with."""
    settled = "everything is accounted for" if not summary["unaccounted"] else f"{summary['unaccounted']} rows missing"
    audit = "whole" if summary["audit_valid"] else "DAMAGED"
    receiver = summary["receiver"]
    console.print(
        f"\nledger    {summary['messages_accepted']} messages accepted: {settled}; {summary['refused']} refused with AR"
        f"\naudit     {summary['audit_entries']} entries: the log is {audit}"
        f"\nreceiver  {receiver['effects']} effects, {receiver['repeats']} repeats, {receiver['conflicts']} conflicts"
    )
    for line in story(summary):
        console.print(line)
    console.print("\nLook for yourself:")
    for command in _commands(gateway):
        console.print(f"  {_program()} {command} -c {config}", soft_wrap=True)


def _program() -> str:
    """What another terminal can start: a virtual environment that nobody activated is not on its path."""
    script = Path(sys.argv[0])
    if script.name != "gateway":
        return f"{sys.executable} -m gateway"
    found = shutil.which("gateway")
    return "gateway" if found is not None and script.samefile(found) else str(script.absolute())


def _withdrawn(gateway: bootstrap.Gateway) -> bool:
    """Whether an answer has become a consent; nothing is opened for it."""
    rows = gateway.store.read_sync(
        partial(journal.recent_records, tenant=TENANT, record_type="Consent", patient=None, limit=500)
    )
    return any(row.source == "reactor.replies" for row in rows)


def _commands(gateway: bootstrap.Gateway) -> list[str]:
    """Commands with ids that are there."""
    rows = gateway.store.read_sync(
        partial(journal.recent_records, tenant=TENANT, record_type="Appointment", patient=None, limit=500)
    )
    commands = ["messages", "records Appointment --show"]
    for row in [one for one in rows if one.source == HOSPITAL and one.patient is not None][:1]:
        commands.append(f"explain {UUID(bytes=row.record_id)} status")
        commands.append(f"disclosures {UUID(bytes=row.patient)}")
    return [*commands, "remits", "quarantine list", "verify ledger", "verify audit"]
