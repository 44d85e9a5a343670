"""What a process may open: the last ones are kept for the work inside."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.descriptors import RESERVE, is_reserved, require_descriptor
from gateway.errors import DescriptorsExhausted


@contextmanager
def limited(most: int) -> Iterator[None]:
    """This process may open so many."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_last_ones_are_reserved():
    """Of a large table a fixed number, of a small one a half."""
    with limited(1024):
        assert [is_reserved(n) for n in (0, 1023 - RESERVE, 1024 - RESERVE, 1023)] == [False, False, True, True]
    with limited(40):
        assert [is_reserved(n) for n in (19, 20)] == [False, True]


def test_nothing_is_reserved_without_a_limit(monkeypatch: pytest.MonkeyPatch):
    """An unlimited table has no end to keep anything of."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert not is_reserved(10**9)


def test_a_full_table_is_told_and_passes():
    """While nothing can be opened it says so; afterwards it says nothing."""
    lowest = os.dup(0)
    os.close(lowest)
    with limited(lowest), pytest.raises(DescriptorsExhausted, match="ulimit"):
        require_descriptor()
    require_descriptor()
