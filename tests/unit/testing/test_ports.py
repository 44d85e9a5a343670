"""Ports for servers that are about to start."""

from __future__ import annotations

import socket
from pathlib import Path

from gateway.testing.ports import FIRST, LAST, free_port, is_open

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_outgoing_connection_takes_a_port_that_was_chosen() -> None:
    """Ports are different ones, below those that this system gives to outgoing connections, and nobody's."""
    found = [free_port() for _ in range(50)]
    assert len(set(found)) == 50
    assert FIRST <= min(found) <= max(found) < LAST
    assert not RANGE.exists() or int(RANGE.read_text().split()[0]) >= LAST
    assert not any(map(is_open, found))


def test_a_port_in_use_is_passed_over() -> None:
    """Where somebody listens is told as open and is not given out."""
    with socket.socket() as taken:
        port = free_port() + 1  # the one that is looked at next
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert is_open(port)
        assert free_port() != port
