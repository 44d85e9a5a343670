"""Rotation: newer keys for older ones, cut off anywhere and gone on with, and nothing that was sealed is lost."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gateway.errors import IntegrityViolated, Shredded
from gateway.vault import Keystore, Place, row_bytes
from gateway.vault.key import Key
from gateway.vault.rotation import Rotation
from gateway_keys_file.config import FileKeyConfig
from tests.unit.vault.opened import Opened

OWNERS = [number.to_bytes(16, "big") for number in range(1, 41)]
KEYS = int(os.environ.get("GATEWAY_ROTATED_KEYS", "4000"))
"""1,000,000 for the full measurement."""
MOST_SECONDS_PER_MILLION = 600.0


def place(number: int) -> Place:
    """A cell of tenant t."""
    return Place("t", "changes", "box", row_bytes(number))


def test_a_new_tenant_key_takes_everything_over(opened: Opened) -> None:
    """Every key below the tenant's hangs on the newer one, what was sealed before opens, and the older one can go."""
    sealed = opened.vault.seal(opened.keystore.ensure_patients("t", OWNERS)[OWNERS[0]], place(1), b"value")
    material = opened.keystore.loaded("t", "identity").derive("record-id")
    old = opened.keystore.key("t", "tenant")
    rotation = Rotation(opened.keystore)
    assert rotation.tenant_left("t") == 0
    new = rotation.begin_tenant("t")
    assert new != old
    assert rotation.begin_tenant("t") == new  # under way: it goes on, and no third key is made
    assert rotation.tenant_left("t") == len(OWNERS) + 1
    assert rotation.tenant_step("t", 7) == 7
    opened.reopen()
    rotation = Rotation(opened.keystore)
    while rotation.tenant_step("t", 7):
        assert opened.vault.open(opened.grant(place(1)), place(1), sealed) == b"value"
    assert rotation.tenant_left("t") == 0
    assert rotation.destroy_retired("t", frozenset(), 35) == 0
    assert rotation.destroy_retired("t", frozenset({old}), 0) == 0
    assert rotation.destroy_retired("t", frozenset(), 0) == 1
    opened.reopen()
    assert opened.vault.open(opened.grant(place(1)), place(1), sealed) == b"value"
    assert opened.keystore.loaded("t", "identity").derive("record-id") == material
    assert opened.keystore.key("t", "tenant") == new
    with pytest.raises(Shredded):
        opened.keystore.get(old)


def test_patients_get_new_keys(opened: Opened) -> None:
    """After rotation every patient seals with another key, the older one still opens, and re-wrapping moves a value."""
    before = opened.keystore.ensure_patients("t", OWNERS)
    sealed = opened.vault.seal(before[OWNERS[3]], place(1), b"value")
    rotation = Rotation(opened.keystore)
    rotation.begin_patients("t")
    assert rotation.patients_left("t") == len(OWNERS)
    rotation.patients_step("t", 15)
    opened.reopen()
    rotation = Rotation(opened.keystore)
    rotation.begin_patients("t")
    assert rotation.patients_left("t") == len(OWNERS) - 15
    while rotation.patients_step("t", 15):
        pass
    after = opened.keystore.ensure_patients("t", OWNERS)
    assert not set(after.values()) & set(before.values())
    assert rotation.successors("t")[before[OWNERS[3]]] == ("patient", OWNERS[3])
    moved = opened.vault.rewrap((sealed.key_id, sealed.wrapped), place(1), after[OWNERS[3]])
    rotation.destroy(list(before.values()))
    again = type(sealed)(*moved, sealed.box)
    assert opened.vault.open(opened.grant(place(1)), place(1), again) == b"value"


def test_the_process_that_rotates_seals_with_the_new_key_at_once(opened: Opened) -> None:
    """Keys that it has in memory are the older ones no longer than the step that replaces them."""
    before = opened.keystore.ensure_patients("t", OWNERS[:2])
    rotation = Rotation(opened.keystore)
    rotation.begin_patients("t")
    assert rotation.patients_step("t", 1) == 1
    after = opened.keystore.ensure_patients("t", OWNERS[:2])
    assert sum(after[owner] != before[owner] for owner in before) == 1


def test_another_process_seals_with_the_new_key(opened: Opened) -> None:
    """A process that had the older key in memory takes the newer one once it has looked."""
    first = opened.keystore.ensure_patients("t", OWNERS[:1])[OWNERS[0]]
    other = Keystore(opened.path, opened.provider, opened.config)
    rotation = Rotation(other)
    rotation.begin_patients("t")
    while rotation.patients_step("t"):
        pass
    other.close()
    opened.keystore.refresh()
    assert opened.keystore.ensure_patients("t", OWNERS[:1])[OWNERS[0]] != first


def test_another_root_takes_over(opened: Opened, tmp_path: Path) -> None:
    """With the root before it named, tenants' keys open; wrapped anew they need the older root no more."""
    opened.keystore.key("t", "tenant")
    opened.keystore.key("u", "identity")
    opened.keystore.close()
    config = FileKeyConfig(path=tmp_path / "new" / "root.key")
    opened.provider.create(config)
    keystore = Keystore(opened.path, opened.provider, config, previous=(opened.provider, opened.config))
    rotation = Rotation(keystore)
    assert rotation.root_left() == 2
    assert rotation.root() == 2
    assert rotation.root_left() == 0
    keystore.close()
    alone = Keystore(opened.path, opened.provider, config)
    alone.key("u", "identity")
    alone.close()
    opened.keystore = Keystore(opened.path, opened.provider, opened.config)
    with pytest.raises(IntegrityViolated, match="root"):
        opened.keystore.loaded("t", "tenant")


def test_a_million_keys_move_in_minutes(opened: Opened) -> None:
    """Re-wrapping goes on at a rate at which a million patients take less than ten minutes of this processor."""
    opened.keystore.ensure_patients("t", (number.to_bytes(16, "big") for number in range(KEYS)))
    rotation = Rotation(opened.keystore)
    rotation.begin_tenant("t")
    began = time.process_time()
    while rotation.tenant_step("t"):
        pass
    seconds = (time.process_time() - began) * 1_000_000 / KEYS
    print(f"{seconds:.1f} s per million keys, measured with {KEYS}")
    assert rotation.tenant_left("t") == 0
    assert seconds < MOST_SECONDS_PER_MILLION


def test_a_patient_shredded_meanwhile_gets_no_new_key(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom another process shreds between the look and the commit of a step is not given a key by it."""
    opened.keystore.ensure_patients("t", OWNERS)
    rotation = Rotation(opened.keystore)
    rotation.begin_patients("t")
    other = Keystore(opened.path, opened.provider, opened.config)
    spend = Keystore.spend

    def shredding(self: Keystore, key: Key, count: int = 1) -> None:
        other.shred("t", OWNERS[0])
        spend(self, key, count)

    monkeypatch.setattr(Keystore, "spend", shredding)
    assert rotation.patients_step("t") == len(OWNERS) - 1
    assert other.keys_of("t", OWNERS[0]) == []
    other.close()
