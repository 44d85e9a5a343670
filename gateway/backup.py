"""Backups: a consistent copy of store, keystore, settings and witnessed heads, restored and rehearsed.

Everything in a backup is as sealed as it was: the store's file under its own key, the keystore under the root, which is
in no backup. Data and keystore go to two places, because whoever has both, and the root, can read everything. The store
is copied first: every key that its rows need is then in the keystore that is copied after it. A backup is complete when
its manifest is there, which names every file with its hash and is sealed by a key of the keystore.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.bootstrap import Gateway, open_gateway
from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.settings import Settings, load
from gateway.store.locking import take_lock
from gateway.transport.whole_file import sync_folder

MANIFEST = "manifest.json"
DATA = "gateway.db"
KEYS = "keystore.db"
SETTINGS = "gateway.toml"
SEAL = "backup-manifest"
_encode = msgspec.json.Encoder(order="sorted").encode


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest: what belongs to a backup."""

    created: str
    data: dict[str, str]
    """SHA-256 by file name, in the data's folder."""
    keys: dict[str, str]
    """The same in the keys' folder."""
    seal: str = ""
    """HMAC over the rest under a key of the keystore."""


def create(gateway: Gateway, config: Path, to: Path, keys_to: Path) -> Backup:
    """Write a backup into two new folders, while the gateway may be serving.

    Raises:
        InvalidConfiguration: the store is PostgreSQL, whose server has its own backups, or a folder is there already.
    """
    settings = gateway.settings
    if settings.store.url != "embedded":
        raise InvalidConfiguration(
            "The store is PostgreSQL", where="store.url",
            fix="Back it up with the server's own tools, and copy the folder of the keystore after that.",
        )  # fmt: skip
    if to.resolve() == keys_to.resolve():
        raise InvalidConfiguration("Data and keys go to one folder", fix="Give --keys-to another one, elsewhere.")
    _undo_last_step(to, keys_to)
    for folder in (to, keys_to):
        if folder.exists():
            raise InvalidConfiguration("The backup's folder is there already", where=str(folder), fix="Name a new one.")
    data_part, keys_part = _part(to), _part(keys_to)
    gateway.sequence()
    gateway.store.copy(data_part / DATA)
    shutil.copyfile(config, data_part / SETTINGS)
    gateway.vault.keystore.file.copy(keys_part / KEYS)
    for path in _beside(settings):
        shutil.copyfile(path, keys_part / path.name)
    made = Backup(
        created=datetime.now(UTC).isoformat(timespec="seconds"), data=_hashes(data_part), keys=_hashes(keys_part)
    )
    made = msgspec.structs.replace(made, seal=_seal(gateway, made))
    (data_part / MANIFEST).write_bytes(_encode(made))
    for part, folder in ((keys_part, keys_to), (data_part, to)):  # the manifest's folder last: it completes the backup
        _sync(part)
        part.rename(folder)
        sync_folder(folder.parent)
    return made


def restore(settings: Settings, source: Path, keys_source: Path, *, replace: bool) -> list[str]:
    """Put a backup where the settings say; what was put, in words.

    A keystore that is there is kept: it knows of keys made and patients shredded since. Without ``replace`` a store
    that is there is kept too, and nothing is done; with it, it is moved aside.

    Raises:
        InvalidConfiguration: there is a store already, or a gateway serves this data folder: it would go on
            acknowledging messages into the store that was moved aside.
        IntegrityViolated: a file of the backup is missing or changed.
    """
    checked(source, keys_source)
    with closing(take_lock(settings.data.directory)):
        return _put_in_place(settings, source, keys_source, replace=replace)


def _put_in_place(settings: Settings, source: Path, keys_source: Path, *, replace: bool) -> list[str]:
    store = settings.data.directory / DATA
    done = []
    if store.exists():
        if not replace:
            raise InvalidConfiguration("There is a store already", where=str(store), fix="Move it, or give --replace.")
        aside = settings.data.directory / f"before-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        aside.mkdir(mode=0o700)
        for path in settings.data.directory.glob(f"{DATA}*"):
            path.rename(aside / path.name)
        done.append(f"the store that was there is in {aside}")
    _put(source / DATA, store)
    done.append(f"store from {source}")
    for path in sorted(keys_source.iterdir()):
        target = settings.keys.keystore if path.name == KEYS else settings.keys.keystore.parent / path.name
        if not target.exists():
            _put(path, target)
            done.append(f"{target.name} from {keys_source}")
    return done


def rehearse(config: Path, source: Path, keys_source: Path, folder: Path) -> Gateway:
    """Restore a backup into ``folder`` and open it there, under the root that the settings name; close it when done.

    Raises:
        IntegrityViolated: a file is missing or changed, or the manifest is not one that this keystore sealed.
    """
    made = checked(source, keys_source)
    settings = load(config)
    there = settings.model_copy(
        update={
            "data": settings.data.model_copy(update={"directory": folder / "data"}),
            "keys": settings.keys.model_copy(
                update={"keystore": folder / "keys" / KEYS, "shred_list": folder / "keys" / "shredded.list"}
            ),
        }
    )
    restore(there, source, keys_source, replace=False)
    if settings.keys.shred_list.exists():  # whoever was shredded since the backup stays so in the rehearsal
        shutil.copyfile(settings.keys.shred_list, there.keys.shred_list)
    gateway = open_gateway(there, config.resolve().parent, config.read_text("utf-8"))
    if not hmac.compare_digest(made.seal, _seal(gateway, made)):
        gateway.close()
        raise IntegrityViolated(
            "The manifest is not one that this keystore sealed", where=str(source / MANIFEST),
            fix="Use the backup of the keystore that was made with it.",
        )  # fmt: skip
    return gateway


def checked(source: Path, keys_source: Path) -> Backup:
    """The manifest of a backup whose files are all there and as they were."""
    try:
        made = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError):
        raise IntegrityViolated(
            "This is no complete backup: it has no manifest", where=str(source), fix="Use another backup."
        ) from None
    for folder, wanted in ((source, made.data), (keys_source, made.keys)):
        found = _hashes(folder) if folder.is_dir() else {}
        found.pop(MANIFEST, None)
        for name in sorted(set(wanted) | set(found)):
            if found.get(name) != wanted.get(name):
                raise IntegrityViolated(
                    "A file of the backup is missing, changed or surplus", where=str(folder / name),
                    fix="Use another backup.",
                )  # fmt: skip
    return made


def _beside(settings: Settings) -> list[Path]:
    """What lies beside the keystore and is no key: witnessed heads, and who was shredded."""
    found = sorted(settings.keys.keystore.parent.glob("*.checkpoints"))
    return [*found, settings.keys.shred_list] if settings.keys.shred_list.exists() else found


def _seal(gateway: Gateway, made: Backup) -> str:
    key = gateway.vault.keystore.loaded("", "file").derive(SEAL)
    return hmac.digest(key, _encode(msgspec.structs.replace(made, seal="")), "sha256").hex()


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _undo_last_step(to: Path, keys_to: Path) -> None:
    """Clear the keys that a crash named before it could name their data: they open no backup that is there.

    Only keys of whose data the unnamed half still has the manifest are cleared; others are somebody's.
    """
    half = _unnamed(to)
    if to.exists() or not keys_to.exists() or not (half / MANIFEST).exists():
        return
    try:
        checked(half, keys_to)
    except IntegrityViolated:
        return
    shutil.rmtree(keys_to)


def _unnamed(folder: Path) -> Path:
    return folder.with_name(folder.name + ".part")


def _part(folder: Path) -> Path:
    """A new folder for what is not complete yet; what a crash left of an earlier one is cleared away."""
    part = _unnamed(folder)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    return part


def _put(path: Path, target: Path) -> None:
    """Copy a file so that it is there whole and synced, or not at all; for its owner only."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    shutil.copyfile(path, part)
    _sync_file(part)
    part.rename(target)
    sync_folder(target.parent)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o600)
        _sync_file(path)
    sync_folder(folder)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
