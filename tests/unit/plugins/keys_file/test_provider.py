"""The file key provider: one private file, and loud about where it lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.hookspecs import KeyProvider
from gateway_keys_file.config import FileKeyConfig
from gateway_keys_file.plugin import gateway_key_providers
from gateway_keys_file.provider import FileKeys

KEY = bytes(range(32))


@pytest.fixture
def config(tmp_path: Path) -> FileKeyConfig:
    """Settings with a root key made."""
    config = FileKeyConfig(path=tmp_path / "keys" / "root.key")
    FileKeys().create(config)
    return config


def test_the_plugin_offers_it() -> None:
    """The hook gives one provider, called ``file``."""
    providers: list[KeyProvider] = list(gateway_key_providers())
    assert [provider.name for provider in providers] == ["file"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(key=st.binary(min_size=1, max_size=64), context=st.binary(max_size=40), other=st.binary(max_size=40))
def test_a_wrapped_key_opens_in_its_context_only(
    config: FileKeyConfig, key: bytes, context: bytes, other: bytes
) -> None:
    """Wrap and unwrap are each other's reverse, and another context is refused."""
    wrapped = FileKeys().wrap(config, key, context)
    assert FileKeys().unwrap(config, wrapped, context) == key
    if other != context:
        with pytest.raises(IntegrityViolated):
            FileKeys().unwrap(config, wrapped, other)


@pytest.mark.parametrize("position", range(0, 40, 3))
def test_a_changed_wrap_is_refused(config: FileKeyConfig, position: int) -> None:
    """One changed byte anywhere is seen."""
    wrapped = bytearray(FileKeys().wrap(config, KEY, b""))
    wrapped[position] ^= 1
    with pytest.raises(IntegrityViolated):
        FileKeys().unwrap(config, bytes(wrapped), b"")


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(8), bytes(17), bytes(1000)])
def test_garbage_is_refused(config: FileKeyConfig, wrapped: bytes) -> None:
    """Bytes of any length that were never wrapped are an integrity fault."""
    with pytest.raises(IntegrityViolated):
        FileKeys().unwrap(config, wrapped, b"")


def test_creation_is_private_and_repeatable(config: FileKeyConfig) -> None:
    """The file has mode 0600, and creating again keeps the key that is there."""
    before = config.path.read_bytes()
    assert config.path.stat().st_mode & 0o777 == 0o600
    FileKeys().create(config)
    assert config.path.read_bytes() == before


def test_two_root_keys_differ(config: FileKeyConfig, tmp_path: Path) -> None:
    """Each installation has a root key of its own."""
    other = FileKeyConfig(path=tmp_path / "other.key")
    FileKeys().create(other)
    assert other.path.read_bytes() != config.path.read_bytes()


def spoil_mode(path: Path) -> None:
    path.chmod(0o640)


def spoil_link(path: Path) -> None:
    real = path.with_name("real.key")
    path.rename(real)
    path.symlink_to(real)


def spoil_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def spoil_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def spoil_text(path: Path) -> None:
    path.write_text("emr-gateway root key 1 nothexadecimal\n")


def spoil_length(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def spoil_mark(path: Path) -> None:
    path.write_bytes(b"ff" * 32)


SPOILED = [spoil_mode, spoil_link, spoil_directory, spoil_pipe, spoil_text, spoil_length, spoil_mark, Path.unlink]


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_an_unfit_file_is_refused(config: FileKeyConfig, spoil: Callable[[Path], None]) -> None:
    """A file that others may read, a link, something that is no file, and text that is no key all stop the start."""
    root = config.path.read_bytes().split()[-1].decode()
    spoil(config.path)
    with pytest.raises(InvalidConfiguration) as caught:
        FileKeys().wrap(config, KEY, b"")
    assert caught.value.fix
    assert root not in f"{caught.value}"


def test_a_key_beside_the_data_is_a_weakness(config: FileKeyConfig, tmp_path: Path) -> None:
    """Each data folder on the key's own device is named, also one that does not exist yet; one elsewhere is not."""
    beside, later = tmp_path / "data", tmp_path / "not" / "yet"
    beside.mkdir()
    elsewhere = next((place for place in ("/dev/shm", "/proc", "/sys") if Path(place).is_dir()), None)
    found = FileKeys().weaknesses(config, [str(beside), str(later)])
    assert len(found) == 2
    assert str(later) in found[1]
    if elsewhere is not None and Path(elsewhere).stat().st_dev != tmp_path.stat().st_dev:
        assert FileKeys().weaknesses(config, [elsewhere]) == []


def test_other_settings_are_refused() -> None:
    """Settings of another provider, or with a misspelt key, are not taken for ours."""

    class Other(FileKeyConfig.__mro__[1]):  # type: ignore[misc]  # pydantic's BaseModel
        path: str = "x"

    with pytest.raises(InvalidConfiguration):
        FileKeys().wrap(Other(), KEY, b"")
    with pytest.raises(ValueError, match="pth"):
        FileKeyConfig.model_validate({"pth": "x"})
