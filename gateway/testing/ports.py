"""Ports for servers that a test, a demo or a benchmark starts, where nobody else takes them in the meantime."""

from __future__ import annotations

import os
import socket
from itertools import count

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 32_000
"""Below where systems take ports of outgoing connections, which could have the one chosen here a moment later."""
APART = 40
"""Ports from where one process begins to look to where the next one does."""
_numbers = count(os.getpid() * APART)


def is_open(port: int) -> bool:
    """Whether somebody listens there on loopback."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def free_port(host: str = HOST) -> int:
    """A port that nobody uses now, another one at each call; ``OSError`` when there is none."""
    for _ in range(LAST - FIRST):
        port = FIRST + next(_numbers) % (LAST - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"No port of {host} between {FIRST} and {LAST} is free. Fix: end what listens there.")
