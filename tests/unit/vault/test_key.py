"""Keys in memory: shown without their material, and bounded in number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.vault.cipher import new_key
from gateway.vault.key import Awake, Key, Recent


def test_a_key_does_not_show_itself() -> None:
    """Neither repr nor str of a key holds its material in any usual notation."""
    secret = new_key()
    key = Key(3, "t", "patient", secret, 1, Awake(1))
    shown = f"{key!r} {key}"
    assert "3 patient" in shown
    assert not any(form in shown for form in (secret.hex(), str(secret), repr(secret)[2:-1]))


def test_purposes_have_keys_of_their_own() -> None:
    """Two purposes of one key share nothing."""
    key = Key(1, "t", "identity", new_key(), 1, Awake(1))
    assert len({key.derive("a"), key.derive("b"), key.derive("data-keys")}) == 3
    assert key.derive("a") == key.derive("a")


def test_few_ciphers_are_set_up_and_all_keys_work() -> None:
    """Of many keys only so many hold a cipher, and each one opens what it wrapped before it rested."""
    awake = Awake(3)
    keys = [Key(number, "t", "patient", new_key(), 1, awake) for number in range(10)]
    secret = new_key()
    wrapped = [key.wrapper.wrap(secret, b"place") for key in keys]
    assert sum(key._wrapper is not None for key in keys) == 3
    assert all(key.wrapper.unwrap(one, b"place") == secret for key, one in zip(keys, wrapped, strict=True))


@given(st.lists(st.integers(0, 60), max_size=300), st.integers(2, 40))
def test_memory_is_bounded_and_right(names: list[int], capacity: int) -> None:
    """Never more than the capacity is kept, what is kept is right, and the last half of what was used is there."""
    recent: Recent[int, str] = Recent(capacity)
    for name in names:
        if recent.get(name) is None:
            recent.put(name, str(name))
        assert len(recent) <= capacity + 1
        assert recent.get(name) == str(name)
    latest = list(dict.fromkeys(reversed(names)))[: capacity // 2]
    assert all(recent.get(name) == str(name) for name in latest)
