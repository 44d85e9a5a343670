"""Peers that hold a connection and say little, and whether the other side still bears them."""

from __future__ import annotations

import socket

_made: list[socket.socket] = []
"""Peers of the running test."""


def peers(port: int, many: int, said: bytes = b"") -> list[socket.socket]:
    """So many peers on the loopback that say this and nothing more. Whoever makes some ends with :func:`leave`."""
    made = [socket.create_connection(("127.0.0.1", port)) for _ in range(many)]
    _made.extend(made)
    for peer in made:
        peer.sendall(said)
        peer.setblocking(False)
    return made


def leave() -> None:
    """Close every peer that was made."""
    while _made:
        _made.pop().close()


def ended(peer: socket.socket) -> bool:
    """Whether the other side hung up."""
    peer.setblocking(False)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
