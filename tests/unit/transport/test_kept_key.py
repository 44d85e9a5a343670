"""A secret that was replaced in its file counts without a restart, and one that is away harms nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import InvalidConfiguration
from gateway.secret import Secret
from gateway.transport.kept_key import KeptKey, KeptSecret


def test_a_refused_key_is_read_again(tmp_path: Path) -> None:
    """The old one is sent until the peer refuses it, then the new one; the same one is not tried twice."""
    file = tmp_path / "key"
    file.write_text("old")
    key = KeptKey(Secret(f"file:{file}"), lambda found: {"Authorization": found})
    assert not key.refused()
    file.write_text("new")
    assert asyncio.run(key.headers()) == {"Authorization": "old"}
    assert key.refused()
    assert asyncio.run(key.headers()) == {"Authorization": "new"}
    assert not key.refused()


def test_while_no_secret_can_be_read_the_last_one_counts(tmp_path: Path) -> None:
    """In the midst of a change the file is gone or empty; at the start that is a mistake, later it is not."""
    file = tmp_path / "key"
    with pytest.raises(InvalidConfiguration):
        KeptSecret(Secret(f"file:{file}"))
    file.write_text("old")
    secret = KeptSecret(Secret(f"file:{file}"))
    file.write_text("")
    assert secret.now() == "old"
    file.unlink()
    assert secret.now() == "old"
    file.write_text("new")
    assert secret.now() == "new"
