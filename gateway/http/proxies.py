"""Proxies: who asks, where a proxy stands between.

Behind a proxy everybody has the proxy's address. A header tells the real one, and anybody can write such a header: it
is read only from an address that the settings trust, and from its right end, where each proxy adds what it saw itself.
The first address that is not a trusted proxy's is who asks; what stands left of it is hearsay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from fastapi import Request

Address = IPv4Address | IPv6Address
LONGEST = 128
"""Of one entry of the header: an address, a port and what else the standard allows there."""


class Proxies:
    """The proxies that are trusted, and the header they write.

    Args:
        trusted: addresses and networks.
        header: ``x-forwarded-for``, or ``forwarded`` of RFC 7239.
    """

    def __init__(self, trusted: Sequence[str], header: str) -> None:
        self._trusted = tuple(map(ip_network, trusted))
        self._header = header.encode()
        self._read = _forwarded if header == "forwarded" else _forwarded_for

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of who asks: ``peer`` itself, unless a trusted proxy says otherwise."""
        known = _address(peer)
        if known is None or not self._trusts(known):
            return peer
        for entry in self._entries(headers):
            told = self._read(entry)
            if told is None:  # unreadable, or hidden on purpose: the last proxy that is known is who asks
                break
            known = told
            if not self._trusts(told):
                break
        return str(known)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _entries(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
        """What the header says, the last word first."""
        lines = [value for name, value in headers if name.lower() == self._header]
        for line in reversed(lines):
            for entry in reversed(line.split(b",")):
                yield entry.decode("latin-1").strip()


def address_of(request: Request) -> str:
    """The address of who asks, as the door found it; empty where there is none."""
    return request.client.host if request.client else ""


def _forwarded_for(entry: str) -> Address | None:
    """``203.0.113.7``, ``2001:db8::7``, and either with a port as some proxies write it."""
    if len(entry) > LONGEST:
        return None
    if entry.startswith("["):
        return _address(entry[1:].partition("]")[0])
    return _address(entry.partition(":")[0] if entry.count(":") == 1 else entry)


def _forwarded(entry: str) -> Address | None:
    """``for=203.0.113.7;proto=https``, ``for="[2001:db8::7]:4711"``."""
    for pair in entry.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return _forwarded_for(value.strip().strip('"'))
    return None


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
