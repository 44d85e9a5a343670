"""Recording a real load and judging what is left of it after a power cut at any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection, select

from gateway.bootstrap import Gateway, open_gateway
from gateway.cli.verifying import ledgers, reports
from gateway.flow.places import message_place
from gateway.settings import load
from gateway.store import schema
from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import Deployment, send_all
from tests.faults.disk import Disk
from tests.faults.oracle import damaged, lost, unaccounted, unfounded
from tests.faults.recording import Event, events, strace

TENANT = "clinic"


@dataclass(frozen=True)
class Recorded:
    """A load that was served: the disk before it, and every call that changed the disk or told a sender something."""

    folder: Path
    disk: Disk
    events: list[Event]


def record(folder: Path, messages: int, *, program: str | None = None, inject: Sequence[str] = ()) -> Recorded:
    """Serve ``messages`` to several senders under strace, then kill it."""
    calls = folder / "calls.txt"
    day = clinic_day(11, patients=max(20, messages // 8), visits=messages)[:messages]
    with Deployment(folder, program=program, prefix=strace(calls, *inject)) as deployment:
        disk = Disk(folder)
        deployment.start()
        acked: set[str] = set()
        asyncio.run(asyncio.wait_for(send_all(deployment.port, day, acked), 480))
        deployment.settle(120)
        deployment.kill()
    return Recorded(folder, disk, events(calls, folder))


def cut_places(found: Sequence[Event], count: int, rnd: random.Random) -> list[int]:
    """Where to cut, ascending: half right after an acknowledgement left, the worst moment, the rest anywhere."""
    told = [place for place, event in enumerate(found) if event.kind == "told" and not event.ended]
    after = [rnd.choice(told) + 1 for _ in range(count // 2)]
    return sorted(after + [rnd.randrange(1, len(found)) for _ in range(count - len(after))])


def cuts(recorded: Recorded, count: int, scratch: Path, seed: int) -> Iterator[tuple[Path, set[str]]]:
    """Folders as random cuts of the power leave them, each with the control ids acknowledged before the cut."""
    rnd = random.Random(seed)
    places = cut_places(recorded.events, count, rnd)
    return _ends(recorded, places, scratch, lambda target: recorded.disk.cut(rnd, target))


def kills(recorded: Recorded, share: float, scratch: Path) -> Iterator[tuple[Path, set[str]]]:
    """Folders as SIGKILL leaves them when a sync was reached and did not return, at so many of all syncs, evenly."""
    syncs = [place for place, event in enumerate(recorded.events) if event.kind == "sync" and not event.ended]
    return _ends(recorded, syncs[:: max(1, round(1 / share))], scratch, recorded.disk.kill)


def _ends(
    recorded: Recorded, places: Sequence[int], scratch: Path, leave: Callable[[Path], None]
) -> Iterator[tuple[Path, set[str]]]:
    told: set[str] = set()
    done = 0
    for number, place in enumerate(places):
        for event in recorded.events[done:place]:
            recorded.disk.follow(event)
            if event.kind == "told":
                told.update(event.names)
        done = place
        target = scratch / f"end{number}"
        leave(target)
        text = (recorded.folder / "gateway.toml").read_text("utf-8")
        (target / "gateway.toml").write_text(text.replace(str(recorded.folder), str(target)), encoding="utf-8")
        (target / "overlay").mkdir()
        yield target, set(told)


def judge(folder: Path, acknowledged: set[str]) -> list[str]:
    """What is wrong with the gateway that a cut left behind: nothing, or findings in words."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        settings = load(folder / "gateway.toml")
        with closing(open_gateway(settings, folder)) as gateway:
            return _findings(gateway, acknowledged)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from opening is the finding
        return [f"does not open: {type(error).__name__}: {error}"]


def _findings(gateway: Gateway, acknowledged: set[str]) -> list[str]:
    found = gateway.store.read_sync(lambda c: _of_store(c, acknowledged))
    for tenant, message_id, key_id, wrapped in gateway.store.read_sync(_wrapped_keys):
        try:
            gateway.vault.rewrap((key_id, wrapped), message_place(tenant, message_id), key_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is unreadable
            found.append(f"message {message_id} does not unwrap: {type(error).__name__}")
    found += [f"ledger: {problem.rule} {problem.row}" for one in ledgers(gateway) for problem in one.problems]
    gateway.sequence()
    found += ["audit log is not valid" for report in reports(gateway) if not report.valid]
    return found


def _of_store(connection: Connection, acknowledged: set[str]) -> list[str]:
    return [
        *damaged(connection), *lost(connection, acknowledged),
        *unaccounted(connection, TENANT), *unfounded(connection, TENANT),
    ]  # fmt: skip


def _wrapped_keys(connection: Connection) -> list[tuple[str, int, int, bytes]]:
    found: list[tuple[str, int, int, bytes]] = []
    for table in (schema.inbox, schema.outcomes):
        query = select(table.c.tenant, table.c.message_id, table.c.key_id, table.c.wrapped).where(
            table.c.wrapped.is_not(None)
        )
        found += [tuple(row) for row in connection.execute(query)]
    return found
