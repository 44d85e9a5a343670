"""Long work that kill -9 ends anywhere: a migration, a rotation, a backup. The next start goes on as if it had not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from gateway import backup, logs
from gateway.bootstrap import open_gateway
from gateway.errors import IntegrityViolated
from gateway.flow.rewrap import rewrap_left, rewrap_stored
from gateway.settings import load
from gateway.store import sealed
from gateway.store.engines import embedded_engine
from gateway.store.migrations import HEAD, upgrade
from gateway.vault.rotation import Rotation
from tests.faults.crashed import Crashes
from tests.faults.deployment import SCALE
from tests.faults.oracle import World, breaches
from tests.integration.parts import TENANT, Parts, Place, Written, appointment, deliver_all, message, patient
from tests.integration.test_backup import TOML, run
from tests.integration.test_flow_shred import readable

KEY = bytes(range(32))
CUTS = max(5, int(50 * SCALE))
PATIENTS = ("p1", "p2")


class Killed(BaseException):
    """The process ends here."""


# --- migrations ------------------------------------------------------------------------------------------------------


def _schema(folder: Path) -> dict[str, str]:
    """Every table and index after an upgrade, as it was declared."""
    engine = embedded_engine(folder / "gateway.db", KEY, writer=True)
    try:
        upgrade(engine)
        with engine.connect() as connection:
            assert connection.execute(text("select version_num from alembic_version")).scalar_one() == HEAD
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
            return dict(connection.execute(text("select name, sql from sqlite_master where sql is not null")).all())
    finally:
        engine.dispose()


def _migrated(folder: Path, prepare: Callable[[Engine], None] = lambda engine: None) -> Crashes:
    """Migrate an empty store with a crash at each statement."""
    crashes = Crashes(folder / "run", folder / "cuts")
    (folder / "run").mkdir()
    engine = embedded_engine(folder / "run" / "gateway.db", KEY, writer=True)
    prepare(engine)
    crashes.watch(engine)
    upgrade(engine)
    engine.dispose()
    return crashes


def test_a_migration_cut_off_at_any_statement_is_completed(tmp_path: Path) -> None:
    """Wherever the process ended, the next start has the whole schema, the same as without any crash."""
    crashes = _migrated(tmp_path)
    whole = _schema(tmp_path / "run")
    assert crashes.count > 40
    for cut in crashes.some(CUTS):
        assert _schema(cut) == whole, cut.name


def test_the_cuts_find_a_migration_without_a_transaction(tmp_path: Path) -> None:
    """The same cuts on a build that commits each statement alone leave stores that lack an index for good."""

    def commits_each(engine: Engine) -> None:
        def commit(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith("CREATE"):
                cursor.connection.execute("COMMIT")
                cursor.connection.execute("BEGIN IMMEDIATE")

        event.listen(engine, "after_cursor_execute", commit)

    crashes = _migrated(tmp_path, commits_each)
    whole = _schema(tmp_path / "run")
    assert any(_schema(cut) != whole for cut in reversed(list(crashes.some(crashes.count))))


# --- rotation --------------------------------------------------------------------------------------------------------


def _rotate(parts: Parts, *, hasty: bool = False) -> None:
    """Give all patients and then the tenant new keys; a hasty build destroys the older ones before it moves values."""
    rotation = Rotation(parts.keystore)
    for begin, step in (
        (rotation.begin_patients, rotation.patients_step), (rotation.begin_tenant, rotation.tenant_step),
    ):  # fmt: skip
        begin(TENANT)
        while step(TENANT):
            pass
        if hasty:
            rotation.destroy_retired(TENANT, frozenset(), 0)
        while rewrap_stored(parts.store, parts.vault, TENANT):
            pass
        resting = parts.store.read_sync(lambda connection: sealed.resting(connection, TENANT))
        rotation.destroy_retired(TENANT, frozenset(resting), 0)


def _unreadable(cut: Path) -> list[str]:
    """What does not open in a folder that a crash left, or is left over after a second rotation there."""
    found = []
    parts = Place(cut, "embedded").open()
    try:
        for turn in ("before", "after"):
            for who in PATIENTS:
                try:
                    opens = readable(parts, "Patient", who) + readable(parts, "Appointment", f"a-{who}")
                except IntegrityViolated:
                    opens = [False]
                if not all(opens) or len(opens) != 3:
                    found.append(f"{cut.name}: {who} {turn} the second run: {opens}")
            if turn == "before":
                _rotate(parts)
        if rewrap_left(parts.store, parts.vault, TENANT):
            found.append(f"{cut.name}: values are left on older keys")
        found += [f"{cut.name}: {breach}" for breach in breaches(parts, World())]
    finally:
        parts.close()
    return found


def _rotated(folder: Path, *, hasty: bool = False) -> Crashes:
    """A clinic whose keys are rotated, with a crash at each statement of keystore and store."""
    parts = Place(folder / "run", "embedded")
    parts.folder.mkdir()
    opened = parts.open()
    for who in PATIENTS:
        opened.take(message(patient(who, "Adams")), message(patient(who, "Cole"), appointment(f"a-{who}", who)))
    deliver_all(opened.delivering(Written()))
    opened.sequence()
    crashes = Crashes(parts.folder, folder / "cuts")
    crashes.watch(opened.store._writing)
    opened.keystore.file._db.set_trace_callback(crashes.before)
    _rotate(opened, hasty=hasty)
    opened.keystore.file._db.set_trace_callback(None)
    opened.close()
    return crashes


def test_a_rotation_cut_off_at_any_statement_is_gone_on_with(tmp_path: Path) -> None:
    """Wherever the process ended every value opens, and a second rotation finishes with nothing on an older key."""
    crashes = _rotated(tmp_path)
    assert crashes.count > 20
    assert [fault for cut in crashes.some(CUTS) for fault in _unreadable(cut)] == []


def test_the_cuts_find_a_rotation_that_destroys_too_early(tmp_path: Path) -> None:
    """The same cuts on a build that destroys older keys before it moves the values find values that do not open."""
    crashes = _rotated(tmp_path, hasty=True)
    assert [fault for cut in crashes.some(3) for fault in _unreadable(cut)] != []


# --- backups ---------------------------------------------------------------------------------------------------------


def test_a_backup_cut_off_anywhere_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the process ended there is a whole backup or none, the one before is good, and so is the next."""
    config = tmp_path / "gateway.toml"
    config.write_text(TOML, encoding="utf-8")
    run(config, "init")
    logs.configure("error")  # the command's own error stream is closed
    gateway = open_gateway(load(config), tmp_path)
    try:
        backup.create(gateway, config, tmp_path / "good", tmp_path / "good-keys")
        steps = _steps_of_a_backup(monkeypatch)
        for number in range(100):
            steps["left"] = number
            data, keys = tmp_path / f"data{number}", tmp_path / f"keys{number}"
            try:
                backup.create(gateway, config, data, keys)
            except Killed:
                steps["left"] = -1
                if data.exists():  # the last of all names: what follows is its sync
                    assert backup.checked(data, keys).keys
                else:
                    with pytest.raises(IntegrityViolated):
                        backup.checked(data, keys)
                    backup.create(gateway, config, data, keys)
                    assert backup.checked(data, keys).keys
                continue
            break
        steps["left"] = -1
        assert number > 8
        assert backup.checked(data, keys).data
        assert backup.checked(tmp_path / "good", tmp_path / "good-keys").data
    finally:
        gateway.close()
    (tmp_path / "rehearsal").mkdir()
    backup.rehearse(config, tmp_path / "good", tmp_path / "good-keys", tmp_path / "rehearsal").close()


def _steps_of_a_backup(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Have the process end before the n-th thing that a backup does to a file; n is ``left``, and -1 never."""
    steps = {"left": -1}

    def ending(work: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any, **more: Any) -> Any:
            if steps["left"] == 0:
                raise Killed
            steps["left"] -= 1
            return work(*args, **more)

        return done

    monkeypatch.setattr(shutil, "copyfile", ending(shutil.copyfile))
    for name in ("_part", "_hashes", "_seal", "_sync_file", "sync_folder"):
        monkeypatch.setattr(backup, name, ending(getattr(backup, name)))
    for name in ("rename", "write_bytes"):
        monkeypatch.setattr(Path, name, ending(getattr(Path, name)))
    return steps
