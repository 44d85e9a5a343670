"""Wraps keys with a root key read from a file each time it is needed: a few times per start, so it is not kept.

AES key wrap with padding (RFC 5649, NIST SP 800-38F) needs no nonce and so has no limit to count; each context has a
wrapping key of its own, derived from the root key, and that is what binds a wrapped key to its context.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding
from pydantic import BaseModel

from gateway.errors import IntegrityViolated, InvalidConfiguration, KeysUnavailable
from gateway.transport.whole_file import sync_folder
from gateway_keys_file.config import FileKeyConfig

ROOT = 32
MARK = b"emr-gateway root key 1 "


class FileKeys:
    """The key provider ``file``."""

    name = "file"
    config: type[BaseModel] = FileKeyConfig

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """Encrypt a key, bound to ``context``."""
        return aes_key_wrap_with_padding(_wrapping_key(_path(config), context), key)

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """The reverse; ``IntegrityViolated`` when the root key is another one or the wrapped key was changed."""
        try:
            return aes_key_unwrap_with_padding(_wrapping_key(_path(config), context), wrapped)
        except InvalidUnwrap:
            raise IntegrityViolated(
                "The root key does not open this keystore", where=str(_path(config)),
                fix="Restore the root key that was made together with the keystore.",
            ) from None  # fmt: skip

    def create(self, config: BaseModel) -> None:
        """Make the root key with mode 0600 and sync it; a usable one that is there already is kept."""
        path = _path(config)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            _read(path)
            return
        with os.fdopen(handle, "wb") as file:
            file.write(MARK + os.urandom(ROOT).hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)

    def weaknesses(self, config: BaseModel, data: Sequence[str]) -> Sequence[str]:
        """One reason for each data folder that lives on the root key's own device."""
        device = _nearest(_path(config)).stat().st_dev
        return [
            f"The root key is on the same device as {folder}: whoever takes the one has the other."
            for folder in data
            if _nearest(Path(folder)).stat().st_dev == device
        ]


def _path(config: BaseModel) -> Path:
    if not isinstance(config, FileKeyConfig):
        raise InvalidConfiguration("These are not the file key provider's settings", where="keys.config")
    return config.path


def _wrapping_key(path: Path, context: bytes) -> bytes:
    return HKDFExpand(SHA256(), ROOT, b"emr-gateway root/1/" + context).derive(_read(path))


def _read(path: Path) -> bytes:
    """The root key, from a regular file of ours that nobody else may touch."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise InvalidConfiguration(
            "There is no root key", where=str(path), fix="Run gateway init, or restore the key."
        ) from None
    except OSError as error:
        if path.is_symlink():
            raise InvalidConfiguration(
                "The root key is a symbolic link", where=str(path), fix="Name the file itself."
            ) from None
        raise KeysUnavailable(f"The root key cannot be read: {type(error).__name__}", where=str(path)) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidConfiguration("The root key is not a regular file", where=str(path), fix="Name the file.")
        if status.st_mode & 0o077:
            raise InvalidConfiguration("Others may read the root key", where=str(path), fix=f"chmod 600 {path}")
        if status.st_uid not in {0, os.geteuid()}:
            raise InvalidConfiguration("The root key belongs to another user", where=str(path), fix=f"chown it: {path}")
        return _decode(os.read(handle, 256), path)
    finally:
        os.close(handle)


def _decode(text: bytes, path: Path) -> bytes:
    try:
        key = bytes.fromhex(text.removeprefix(MARK).decode("ascii").strip())
    except ValueError:
        key = b""
    if not text.startswith(MARK) or len(key) != ROOT:
        raise InvalidConfiguration(
            "This file is not a root key", where=str(path), fix="Restore the root key."
        ) from None
    return key


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists already."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
