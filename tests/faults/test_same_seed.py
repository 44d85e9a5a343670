"""The same day twice: once as one file, once by many senders at once beside the thread that normalizes.

Threads run as the system schedules them and keys are others each time, so the two stores share not a byte. What their
records tell must be the same all the same.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gateway import logs
from gateway.bootstrap import Gateway, open_gateway
from gateway.model.exchange import Item
from gateway.settings import load
from gateway_hl7.simulator import clinic_day
from tests.faults.deployment import SCALE
from tests.integration.test_backup import TOML, run
from tests.waiting import wait_until

SENDERS = 8
VISITS = max(40, int(400 * SCALE))
TYPES = ("Patient", "Appointment")
UNSEEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Ids of what the day names and nobody sent, such as a room."""
NUMBER = re.compile(rb"\rPID\|[^|]*\|[^|]*\|([^^|]+)")
MERGED = re.compile(rb"\rMRG\|([^^|]+)")


def _told(folder: Path, senders: int) -> dict[str, str]:
    """What a gateway's records tell after one day: by type and native id, with these in the place of ids."""
    folder.mkdir()
    config = folder / "gateway.toml"
    config.write_text(TOML, encoding="utf-8")
    run(config, "init")
    logs.configure("error")
    gateway = open_gateway(load(config), folder)
    try:
        _take(gateway, senders)
    finally:
        gateway.close()
    words = ("records", "--show", "--json", "--limit", "100000")
    found = [one for type in TYPES for one in json.loads(run(config, *words, type))]
    names = {one["id"]: f"{one['type']}/{one['native_id']}" for one in found}
    told = {names[one["id"]]: json.dumps([one["version"], one["fields"]], sort_keys=True) for one in found}
    for id, name in names.items():
        told = {key: text.replace(id, name) for key, text in told.items()}
    return {key: UNSEEN.sub("unseen", text) for key, text in told.items()}


def _take(gateway: Gateway, senders: int) -> None:
    source = gateway.sources["clinic", "hospital"]
    receiver = gateway.receiver(source)
    day = b"\r".join(clinic_day(50, patients=VISITS // 3, visits=VISITS))
    items = [item for item in source.adapter.cut([day], source.config) if isinstance(item, Item)]
    shares: dict[int, list[Item]] = defaultdict(list)
    bodies = [item.body for item in items]
    into = {gone[1]: left[1] for one in bodies if (gone := MERGED.search(one)) and (left := NUMBER.search(one))}
    owners: dict[bytes | None, int] = {}
    for item in items:  # one person's messages come from one sender, in their order, those before a merge too
        found = NUMBER.search(item.body)
        number = None if found is None else into.get(found[1], found[1])
        shares[owners.setdefault(number, len(owners) % senders)].append(item)

    async def send(share: Sequence[Item], *, slow: bool) -> None:
        for some in [share] if senders == 1 else [[item] for item in share]:
            for receipt in await receiver.accept(some):
                if slow:
                    await receiver.fate(receipt)

    async def everybody() -> None:  # every other one hears what became of a message before it sends the next
        await asyncio.gather(*(send(share, slow=number % 2 == 1) for number, share in shares.items()))

    normalizer = gateway.normalizer(lambda tenant: None)
    if senders > 1:
        normalizer.start()
    asyncio.run(everybody())
    if senders > 1:
        wait_until(lambda: gateway.handoff.unsettled == 0, "the day is not normalized")
        normalizer.stop()
    while normalizer.step("clinic"):
        pass


def test_one_seed_makes_one_world_however_threads_run(tmp_path: Path) -> None:
    """Every record has the same fields and as many versions, from one sender and from many at once."""
    alone, crowded = _told(tmp_path / "alone", 1), _told(tmp_path / "crowded", SENDERS)
    assert len(alone) > VISITS
    assert alone == crowded
