"""Keys while everything runs: rotated again and again under a load, and a provider that is away for an hour.

The parts of a gateway run in their own threads, as they do when served: messages come in, are normalized and delivered.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.errors import KeysUnavailable
from gateway.flow.rewrap import rewrap_left, rewrap_stored
from gateway.store.opening import open_store
from gateway.vault import Keystore
from gateway.vault.rotation import Rotation
from gateway_keys_file.config import FileKeyConfig
from gateway_keys_file.provider import FileKeys
from tests.faults.deployment import SCALE
from tests.faults.oracle import World, breaches
from tests.integration.parts import TENANT, Parts, Place, Written, deliver_all, message, patient
from tests.waiting import PATIENCE, until, wait_until

TURNS = max(2, int(20 * SCALE))
"""Rotations of the tenant's key and of every patient's, one after another."""
PATIENTS = 20
REMEMBERED = 60.0
"""Seconds for which the keystore goes on without an answer of its provider."""
ROUNDS = 10
"""Rounds through everything stored after which nothing may hang on an older key any more, once the load is over."""


def _rotate(parts: Parts, sink: Written, over: threading.Event, failed: list[BaseException]) -> None:
    """Rotate and re-wrap as the command does, beside everything else: each turn once the load has come further."""
    try:
        rotation = Rotation(parts.keystore)
        for turn in range(TURNS):
            wait_until(partial(_has, sink, turn * PATIENTS + 1), "the load does not get on")
            rotation.begin_tenant(TENANT)
            while rotation.tenant_step(TENANT, 7):
                pass
            rotation.begin_patients(TENANT)
            while rotation.patients_step(TENANT, 7):
                pass
            rewrap_stored(parts.store, parts.vault, TENANT)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test that waits shall hear of it
        failed.append(error)
    finally:
        over.set()


async def _load(parts: Parts, over: threading.Event, sink: Written) -> set[str]:
    """Send versions of every patient, round after round, and deliver them, until the rotations are over."""
    acknowledged: set[str] = set()
    route, loop = parts.delivering(sink), asyncio.get_running_loop()
    normalizer = parts.normalizing(lambda tenant: loop.call_soon_threadsafe(route.changed.set))
    normalizer.start()
    delivering = asyncio.create_task(route.run())
    for turn in count():
        if over.is_set():
            break
        names = [f"c{turn}-{number}" for number in range(PATIENTS)]
        items = [message(patient(f"p{number}", name), control=name) for number, name in enumerate(names)]
        await parts.accept(*items)
        acknowledged.update(names)
        await until(partial(_has, sink, turn * PATIENTS), "the load does not get on")
    await until(partial(_has, sink, len(acknowledged)), "not everything is delivered")
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    await asyncio.to_thread(normalizer.stop)
    return acknowledged


def _has(sink: Written, many: int) -> bool:
    return len(sink.effects) >= many


@pytest.mark.timeout(600)
def test_keys_are_rotated_under_a_load(tmp_path: Path) -> None:
    """Nothing fails, nothing is lost or sent twice, and in the end nothing hangs on any older key."""
    parts, sink = Place(tmp_path, "embedded").open(), Written()
    over = threading.Event()
    failed: list[BaseException] = []
    rotating = threading.Thread(target=_rotate, args=(parts, sink, over, failed), daemon=True)
    rotating.start()
    acknowledged = asyncio.run(_load(parts, over, sink))
    rotating.join(PATIENCE)
    rounds = next((done for done in range(ROUNDS) if not rewrap_stored(parts.store, parts.vault, TENANT)), ROUNDS)
    rotation = Rotation(parts.keystore)
    left = rotation.tenant_left(TENANT), rotation.patients_left(TENANT), rewrap_left(parts.store, parts.vault, TENANT)
    found = breaches(parts, World(acknowledged, {"desk": sink}))
    ledger = parts.ledger()
    parts.close()
    print(f"{TURNS} rotations beside {len(acknowledged)} messages, {rounds} rounds more")
    assert failed == []
    assert left == (0, 0, 0)
    assert found == []
    assert (ledger.quarantined, ledger.pending, ledger.problems) == ({}, 0, [])
    assert len(sink.effects) == len({one.key for one in sink.effects}) == len(acknowledged)


class Unsteady(FileKeys):
    """A root key in a file, whose provider answers or does not."""

    def __init__(self) -> None:
        self.away = False
        self.now = 0.0
        """Seconds on the clock of the keystore."""

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """As ever, or silence."""
        self._answer()
        return super().wrap(config, key, context)

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """As ever, or silence."""
        self._answer()
        return super().unwrap(config, wrapped, context)

    def _answer(self) -> None:
        if self.away:
            raise KeysUnavailable("The key provider does not answer")


def _unsteady(folder: Path) -> tuple[Unsteady, Parts]:
    """A gateway whose keystore remembers for a minute what its provider said."""
    provider = Unsteady()
    config = FileKeyConfig(path=folder / "root.key")
    provider.create(config)
    Keystore.create(folder / "keystore.db", provider, config).close()
    keystore = Keystore(folder / "keystore.db", provider, config, cache_seconds=REMEMBERED, clock=lambda: provider.now)
    store = open_store("embedded", None, folder / "data", keystore.database_key)
    store.start()
    return provider, Parts(Place(folder, "embedded"), keystore, store)


def _versions(parts: Parts, name: str) -> set[str]:
    """One more version of every patient is stored; its control ids."""
    controls = {f"{name}-{number}" for number in range(PATIENTS)}
    items = [message(patient(f"p{number}", name), control=f"{name}-{number}") for number in range(PATIENTS)]
    assert len(asyncio.run(parts.accept(*items))) == PATIENTS
    return controls


@pytest.mark.timeout(600)
def test_an_hour_without_the_provider_loses_nothing(tmp_path: Path) -> None:
    """Intake goes on throughout; what opens goes on for a while, then waits; when it answers all is made up for."""
    provider, parts = _unsteady(tmp_path)
    sink = Written()
    acknowledged = _versions(parts, "first")
    parts.settle()
    deliver_all(parts.delivering(sink))
    provider.away, provider.now = True, REMEMBERED / 2
    acknowledged |= _versions(parts, "soon")
    parts.settle()
    deliver_all(parts.delivering(sink))
    assert len(sink.effects) == 2 * PATIENTS
    for minute in range(2, 61, 20):
        provider.now = minute * REMEMBERED
        acknowledged |= _versions(parts, f"late{minute}")
        with pytest.raises(KeysUnavailable):
            parts.settle()
        parts.handoff.fall_behind(TENANT)
    assert len(sink.effects) == 2 * PATIENTS
    provider.away, provider.now = False, provider.now + REMEMBERED
    parts.settle()
    deliver_all(parts.delivering(sink))
    found = breaches(parts, World(acknowledged, {"desk": sink}))
    ledger = parts.ledger()
    parts.close()
    assert found == []
    assert (ledger.quarantined, ledger.pending, ledger.problems) == ({}, 0, [])
    assert len(sink.effects) == len({one.key for one in sink.effects}) == len(acknowledged) == 5 * PATIENTS
