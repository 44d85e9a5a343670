"""The PKCS#11 key provider against SoftHSM2, a whole token in software."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import IntegrityViolated, InvalidConfiguration, KeysUnavailable
from gateway.vault import Keystore
from gateway_keys_pkcs11.config import Pkcs11KeyConfig
from gateway_keys_pkcs11.plugin import gateway_key_providers
from gateway_keys_pkcs11.provider import Pkcs11Keys
from tests.waiting import PATIENCE

pkcs11 = pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
LIBRARY = next(
    (
        path
        for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"))
        if path.exists()
    ),
    None,
)
TOOL = shutil.which("softhsm2-util")
pytestmark = pytest.mark.skipif(LIBRARY is None or TOOL is None, reason="SoftHSM2 (softhsm2) is not installed")
KEY = bytes(range(32))
PIN = "284-951"
GONE = "gone"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tokens of our own in a folder of our own: what SoftHSM2 reads when its library is loaded."""
    tokens = tmp_path_factory.mktemp("tokens")
    (tokens / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(tokens / "softhsm2.conf")
    for label in ("clinic", "twin", "twin"):
        command = ["--init-token", "--free", "--label", label, "--so-pin", "13579086", "--pin", PIN]
        subprocess.run([str(TOOL), *command], check=True, capture_output=True, timeout=PATIENCE)
    yield tokens
    pkcs11.unload(str(LIBRARY))
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def config(folder: Path, request: pytest.FixtureRequest) -> Pkcs11KeyConfig:
    """Settings for the token, with a key of this test's own."""
    pin = folder / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)
    return Pkcs11KeyConfig.model_validate(
        {"module": LIBRARY, "token": "clinic", "pin": f"file:{pin}", "key": request.node.name[:64]}
    )


def test_a_wrapped_key_opens_in_its_context_only(config: Pkcs11KeyConfig) -> None:
    """Wrap and unwrap are each other's reverse; another context, changed bytes and cut ones are refused."""
    (provider,) = gateway_key_providers()
    provider.create(config)
    wrapped = provider.wrap(config, KEY, b"one")
    assert provider.unwrap(config, wrapped, b"one") == KEY
    assert provider.wrap(config, KEY, b"one") != wrapped
    changed = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for bad, context in ((wrapped, b"two"), (changed, b"one"), (wrapped[:20], b"one"), (b"short", b"one"), (b"", b"")):
        with pytest.raises(IntegrityViolated):
            provider.unwrap(config, bad, context)
    assert provider.unwrap(config, wrapped, b"one") == KEY


def test_the_key_stays_inside(config: Pkcs11KeyConfig) -> None:
    """The token made it, says so, and shows its value to nobody, not even to the user who signed in."""
    Pkcs11Keys().create(config)
    with _signed_in() as session:
        key = session.get_key(label=config.key)
        assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


def test_making_it_again_keeps_it(config: Pkcs11KeyConfig) -> None:
    """``gateway init`` on a token that has the key changes nothing."""
    provider = Pkcs11Keys()
    provider.create(config)
    wrapped = provider.wrap(config, KEY, b"")
    provider.create(config)
    assert provider.unwrap(config, wrapped, b"") == KEY


def test_another_key_is_told(config: Pkcs11KeyConfig) -> None:
    """A key that did not wrap it opens nothing, and one that is not there is asked for by name."""
    provider = Pkcs11Keys()
    provider.create(config)
    wrapped = provider.wrap(config, KEY, b"")
    other = config.model_copy(update={"key": config.key[:60] + "-two"})
    with pytest.raises(InvalidConfiguration, match="no key of this name"):
        provider.unwrap(other, wrapped, b"")
    provider.create(other)
    with pytest.raises(IntegrityViolated):
        provider.unwrap(other, wrapped, b"")


def test_a_key_that_can_be_taken_out_is_refused(config: Pkcs11KeyConfig) -> None:
    """What the token would give away is no root; two keys of one name are none either."""
    loose = {pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True}
    for sentence in ("give this key away", "several keys"):
        with _signed_in(writing=True) as session:
            session.generate_key(pkcs11.KeyType.AES, 256, label=config.key, store=True, template=loose)
        with pytest.raises(InvalidConfiguration, match=sentence):
            Pkcs11Keys().create(config)


def test_a_wrong_pin_reaches_the_token_once(config: Pkcs11KeyConfig, folder: Path) -> None:
    """However often keys are asked for, the token is not locked by one wrong PIN; the right one is taken at once."""
    provider = Pkcs11Keys()
    provider.create(config)
    wrapped = provider.wrap(config, KEY, b"")
    (folder / "pin").write_text("1111-2222")
    _refused(provider, config, wrapped)
    with _signed_in(writing=True) as session:
        session.set_pin(PIN, "1111-2222")
    _refused(provider, config, wrapped)  # it would be the right one now, and is not tried again
    assert Pkcs11Keys().unwrap(config, wrapped, b"") == KEY
    with pkcs11.lib(str(LIBRARY)).get_token(token_label="clinic").open(rw=True, user_pin="1111-2222") as session:
        session.set_pin("1111-2222", PIN)
    (folder / "pin").write_text(PIN)
    assert provider.unwrap(config, wrapped, b"") == KEY


def _refused(provider: Pkcs11Keys, config: Pkcs11KeyConfig, wrapped: bytes) -> None:
    with pytest.raises(KeysUnavailable, match="PIN") as error:
        provider.unwrap(config, wrapped, b"")
    assert "1111" not in str(error.value)


def _signed_in(*, writing: bool = False) -> Any:
    return pkcs11.lib(str(LIBRARY)).get_token(token_label="clinic").open(rw=writing, user_pin=PIN)


def test_a_token_that_is_away_means_later(config: Pkcs11KeyConfig) -> None:
    """No such token, and a library that is none: told by what is missing, and nothing that was sent."""
    provider = Pkcs11Keys()
    with pytest.raises(KeysUnavailable, match="no token"):
        provider.wrap(config.model_copy(update={"token": GONE}), KEY, b"")
    with pytest.raises(InvalidConfiguration, match="no such PKCS#11 library"):
        provider.wrap(config.model_copy(update={"module": Path("/nowhere/lib.so")}), KEY, b"")
    twin = config.model_copy(update={"token": "twin"})
    with pytest.raises(InvalidConfiguration, match="serial"):
        provider.wrap(twin, KEY, b"")
    serials = [
        token.serial.decode()
        for token in pkcs11.lib(str(LIBRARY)).get_tokens(token_label="twin")
    ]  # fmt: skip
    for serial in serials:
        provider.create(twin.model_copy(update={"serial": serial}))


def test_a_keystore_lives_under_it(config: Pkcs11KeyConfig, tmp_path: Path) -> None:
    """A keystore made under the token opens again under it, and under no other key of it."""
    provider = Pkcs11Keys()
    provider.create(config)
    first = Keystore.create(tmp_path / "keys.db", provider, config)
    key = first.loaded("clinic", "identity")
    first.close()
    again = Keystore(tmp_path / "keys.db", provider, config)
    assert again.loaded("clinic", "identity").id == key.id
    again.close()
    other = config.model_copy(update={"key": "another"})
    provider.create(other)
    strange = Keystore(tmp_path / "keys.db", provider, other)
    with pytest.raises(IntegrityViolated):
        strange.loaded("clinic", "identity")
    strange.close()


def test_weaknesses(config: Pkcs11KeyConfig, tmp_path: Path) -> None:
    """A token in software is told, and so is a library that others may write."""
    (told,) = Pkcs11Keys().weaknesses(config, [])
    assert "program" in told
    library = tmp_path / "libsofthsm2.so"
    shutil.copy(str(LIBRARY), library)
    library.chmod(0o666)
    assert len(Pkcs11Keys().weaknesses(config.model_copy(update={"module": library}), [])) == 2
    pkcs11.unload(str(library))
