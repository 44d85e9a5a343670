"""The keystore: keys are made once, outlive the process, are counted and can be destroyed."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import AccessRefused, IntegrityViolated, InvalidConfiguration, KeysUnavailable, Shredded
from gateway.vault import Keystore, keystore
from gateway_keys_file.config import FileKeyConfig
from tests.unit.vault.opened import Opened

OWNERS = [bytes([i]) * 16 for i in range(40)]


def commits(opened: Opened) -> int:
    """SQLite's own count of the file's commits."""
    return int.from_bytes(opened.path.read_bytes()[24:28], "big")


def test_a_key_is_made_once_and_found_again(opened: Opened) -> None:
    """The same tenant, kind and owner give the same key id, in the next process too."""
    first = opened.keystore.key("t", "intake", b"2026-01-01")
    material = opened.keystore.get(first).derive("x")
    assert opened.keystore.key("t", "intake", b"2026-01-01") == first
    assert opened.keystore.key("t", "intake", b"2026-01-02") != first
    opened.reopen()
    assert opened.keystore.key("t", "intake", b"2026-01-01") == first
    assert opened.keystore.get(first).derive("x") == material


def test_no_two_keys_share_material(opened: Opened) -> None:
    """Tenants, kinds and owners all have keys of their own."""
    ids = [opened.keystore.key(tenant, kind) for tenant in ("a", "b") for kind in sorted(keystore.KINDS)]
    assert len({opened.keystore.get(key_id).derive("x") for key_id in ids}) == len(ids) == 2 * len(keystore.KINDS)


def test_many_patients_cost_one_commit(opened: Opened) -> None:
    """All missing patient keys of a batch are made in one synced transaction, and none when none is missing."""
    opened.keystore.key("t", "tenant")
    opened.keystore.ensure_patients("t", OWNERS[:1])
    before = commits(opened)
    made = opened.keystore.ensure_patients("t", OWNERS)
    assert commits(opened) == before + 1
    assert opened.keystore.ensure_patients("t", OWNERS) == made
    assert commits(opened) == before + 1
    assert len(set(made.values())) == len(OWNERS)


def test_a_restart_costs_one_commit_for_all_known_patients(opened: Opened) -> None:
    """Loading known keys to seal with them again sets their encryptions aside in one transaction."""
    made = opened.keystore.ensure_patients("t", OWNERS)
    opened.reopen()
    for key_id in made.values():
        opened.keystore.get(key_id)
    opened.keystore.key("t", "tenant")
    before = commits(opened)
    assert opened.keystore.ensure_patients("t", OWNERS) == made
    for key_id in made.values():
        opened.keystore.spend(opened.keystore.get(key_id))
    assert commits(opened) == before + 1


def test_keys_are_on_disk_before_their_ids_are_known(opened: Opened) -> None:
    """When ensure_patients returns, another reader of the file finds every key in it."""
    made = opened.keystore.ensure_patients("t", OWNERS)
    db = sqlite3.connect(opened.path)
    found = dict(db.execute("select owner, key_id from keys where kind = 'patient'").fetchall())
    db.close()
    assert found == made


def test_threads_agree_on_keys(opened: Opened) -> None:
    """Eight threads that ask for the same new keys at once get the same ids, and no key is made twice."""
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(opened.keystore.ensure_patients, "t", OWNERS[i:] + OWNERS[:i]) for i in range(24)]
        answers = [answer.result() for answer in asked]
    assert all(answer == answers[0] for answer in answers)
    db = sqlite3.connect(opened.path)
    assert db.execute("select count(*) from keys where kind = 'patient'").fetchone() == (len(OWNERS),)
    db.close()


def test_two_processes_agree_on_keys(opened: Opened) -> None:
    """A second keystore object on the same file finds what the first one made, and the other way round."""
    other = Keystore(opened.path, opened.provider, opened.config)
    made = opened.keystore.ensure_patients("t", OWNERS[:20])
    assert other.ensure_patients("t", OWNERS) | made == other.ensure_patients("t", OWNERS)
    assert opened.keystore.ensure_patients("t", OWNERS) == other.ensure_patients("t", OWNERS)
    other.close()


def test_a_destroyed_key_stays_destroyed(opened: Opened) -> None:
    """After destruction the key opens nothing, its wrapped form is gone, and its owner gets a new key."""
    old = opened.keystore.ensure_patients("t", OWNERS[:1])[OWNERS[0]]
    db = sqlite3.connect(opened.path)
    (wrapped,) = db.execute("select wrapped from keys where key_id = ?", (old,)).fetchone()
    db.close()
    opened.keystore.destroy(old)
    for _ in range(2):
        with pytest.raises(AccessRefused, match="destroyed"):
            opened.keystore.get(old)
        assert opened.keystore.shredded() == [old]
        assert opened.keystore.ensure_patients("t", OWNERS[:1])[OWNERS[0]] != old
        opened.reopen()
    assert wrapped not in opened.path.read_bytes()


def test_unknown_keys_and_kinds_are_refused(opened: Opened) -> None:
    """An id that never was is an integrity fault, and a kind that is none a programming error."""
    with pytest.raises(IntegrityViolated):
        opened.keystore.get(12345)
    with pytest.raises(IntegrityViolated):
        opened.keystore.destroy(12345)
    with pytest.raises(ValueError, match="kind"):
        opened.keystore.key("t", "pat")


def test_a_key_stops_at_its_limit(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key makes more encryptions than its limit, over restarts too, and a crash only makes it stop earlier."""
    monkeypatch.setattr(keystore, "LIMIT", 100)
    monkeypatch.setattr(keystore, "BLOCK", {"patient": 30})
    monkeypatch.setattr(keystore, "BLOCK_OTHERWISE", 30)
    key_id = opened.keystore.key("t", "intake")
    made = 0
    for _ in range(200):
        if made == 35:
            opened.reopen()
        try:
            opened.keystore.spend(opened.keystore.get(key_id))
        except IntegrityViolated:
            break
        made += 1
    assert 35 < made <= 90


def test_threads_never_exceed_the_limit_together(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encryptions counted by eight threads at once stay within what is on record."""
    monkeypatch.setattr(keystore, "LIMIT", 1000)
    monkeypatch.setattr(keystore, "BLOCK_OTHERWISE", 50)
    key = opened.keystore.get(opened.keystore.key("t", "intake"))

    def spend(times: int) -> int:
        made = 0
        for _ in range(times):
            try:
                opened.keystore.spend(key)
            except IntegrityViolated:
                break
            made += 1
        return made

    with ThreadPoolExecutor(8) as threads:
        made = sum(threads.map(spend, [300] * 8))
    assert made <= 1000
    assert made > 900


def test_swapped_rows_do_not_unwrap(opened: Opened) -> None:
    """A wrapped key moved to another row of the keystore is refused."""
    one, two = opened.keystore.ensure_patients("t", OWNERS[:2]).values()
    opened.keystore.close()
    db = sqlite3.connect(opened.path)
    wrapped = dict(db.execute("select key_id, wrapped from keys").fetchall())
    db.execute("update keys set wrapped = ? where key_id = ?", (wrapped[one], two))
    db.commit()
    db.close()
    opened.reopen()
    opened.keystore.get(one)
    with pytest.raises(IntegrityViolated):
        opened.keystore.get(two)


def test_another_root_key_opens_nothing(opened: Opened, tmp_path: Path) -> None:
    """A keystore under a root key that is not its own is refused, and a missing root key is told."""
    opened.keystore.key("t", "identity")
    other = FileKeyConfig(path=tmp_path / "other.key")
    opened.provider.create(other)
    with pytest.raises(IntegrityViolated, match="root key"):
        Keystore(opened.path, opened.provider, other).key("t", "identity")
    lost = FileKeyConfig(path=tmp_path / "lost.key")
    with pytest.raises(InvalidConfiguration):
        Keystore(opened.path, opened.provider, lost).key("t", "identity")


def test_a_silent_provider_stops_only_what_needs_it(opened: Opened) -> None:
    """While the provider is away, tenants in use go on and a tenant not loaded yet fails closed."""

    class Away(type(opened.provider)):  # type: ignore[misc]  # the class of a fixture's value
        def unwrap(self, config, wrapped, context):
            raise KeysUnavailable("The key provider does not answer")

    opened.keystore.key("t", "tenant")
    opened.keystore.key("u", "tenant")
    opened.reopen()
    opened.keystore.key("t", "tenant")
    opened.keystore._root.provider = (Away(), opened.config)
    assert opened.keystore.ensure_patients("t", OWNERS)
    with pytest.raises(KeysUnavailable):
        opened.keystore.ensure_patients("u", OWNERS)


def test_memory_forgets_patients_but_not_their_keys(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for few patients in memory every key is still found, unchanged."""
    monkeypatch.setattr(keystore, "REMEMBERED", 6)
    opened.reopen()
    made = {owner: opened.keystore.ensure_patients("t", [owner])[owner] for owner in OWNERS}
    assert opened.keystore.ensure_patients("t", OWNERS) == made
    assert all(opened.keystore.get(key_id).id == key_id for key_id in made.values())


def test_reads_end_when_the_provider_is_silent_for_too_long(opened: Opened) -> None:
    """After the cache time nothing may be read while sealing goes on, and an answer mends it."""

    class Away(type(opened.provider)):  # type: ignore[misc]  # the class of a fixture's value
        def unwrap(self, config, wrapped, context):
            raise KeysUnavailable("The key provider does not answer")

    now = [0.0]
    keys = Keystore(opened.path, opened.provider, opened.config, cache_seconds=60.0, clock=lambda: now[0])
    keys.key("t", "tenant")
    here, keys._root.provider = keys._root.provider, (Away(), opened.config)
    now[0] = 59.0
    keys.check_heard("t")
    keys.refresh()
    now[0] = 61.0
    with pytest.raises(KeysUnavailable):
        keys.check_heard("t")
    assert keys.ensure_patients("t", OWNERS)
    keys._root.provider = here
    now[0] = 70.0
    keys.check_heard("t")
    now[0] = 101.0
    keys.refresh()  # past half the time it asks by itself
    now[0] = 150.0
    keys.check_heard("t")
    keys.close()


def test_a_keystore_of_the_first_schema_is_brought_up(opened: Opened) -> None:
    """Keys made before keys had parents open as before, and new ones are made beside them."""
    made = opened.keystore.ensure_patients("t", OWNERS[:3])
    material = opened.keystore.get(made[OWNERS[0]]).derive("x")
    opened.keystore.close()
    db = sqlite3.connect(opened.path)
    db.executescript(
        "drop index keys_owner; drop index keys_parent; drop index keys_retired;"
        "alter table keys drop column parent; alter table keys drop column retired;"
        "drop table shreds; drop table rotations; drop table state;"
        "create unique index keys_owner on keys (tenant, kind, owner) where destroyed is null; pragma user_version = 1;"
    )
    db.close()
    opened.reopen()
    assert opened.keystore.ensure_patients("t", OWNERS)[OWNERS[0]] == made[OWNERS[0]]
    assert opened.keystore.get(made[OWNERS[0]]).derive("x") == material
    opened.keystore.shred("t", OWNERS[0])
    with pytest.raises(Shredded):
        opened.keystore.ensure_patients("t", OWNERS[:1])
