"""Which addresses a way out leads to, and a guard that looks at each one in the moment it is visited.

What a name leads to is decided when a client connects, not when the name is configured: it is resolved once, every
address of the answer must be one that the host may have, and the connection goes to one of exactly these addresses
with the name kept for TLS. The last look is at the address each socket is opened for, so a literal address or a later
answer cannot go round it.

A network's own NAT64 prefix other than the well-known one cannot be recognised from an address; such a network must
filter its translator.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.errors import SourceUnavailable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_ISATAP = (0x00005EFE, 0x02005EFE)
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/3"),
        "168.63.129.16/32",  # a cloud platform's agent on every one of its machines
        "2001::/23",  # Teredo, ORCHID, benchmarking: nothing a clinic's partner is served from
        *("2001:db8::/32", "3fff::/20", "2620:4f:8000::/48"),
    )
)
_HOUSE = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_CLOUD = ipaddress.IPv6Network("fd00:ec2::/32")
"""A cloud platform's own services, such as the one that tells a machine's credentials, within what is a house's."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is unicast on the public internet, and so is the IPv4 address that may be embedded in it."""
    if isinstance(address, ipaddress.IPv6Address) and (address in _MAPPED or address in _NAT64):
        return is_public(_low(address))
    if not address.is_global or any(address in network for network in _NEVER if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if address in _6TO4:
        return is_public(ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP and not is_public(_low(address)):
        return False
    return address in _UNICAST and not address.scope_id


def _low(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def is_private(address: IPAddress) -> bool:
    """Whether an address is of a house's own network; neither this machine nor what a cloud tells its machines."""
    if isinstance(address, ipaddress.IPv6Address) and (address in _CLOUD or address.scope_id):
        return False
    return any(address in network for network in _HOUSE if network.version == address.version)


class Reach(NamedTuple):
    """Which addresses one host may have."""

    public: bool = True
    loopback: bool = False
    private: bool = False

    def includes(self, text: str) -> bool:
        """Whether this is such an address; what is none is not."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return (
            (self.public and is_public(address))
            or (self.loopback and address.is_loopback)
            or (self.private and is_private(address))
        )


class Guard(AbstractResolver):
    """Resolves the hosts of one client and vouches for every address of the answer."""

    def __init__(self, hosts: Mapping[str, Reach], fix: str) -> None:
        self._hosts = hosts
        self._fix = fix
        self._resolver: AbstractResolver | None = None  # belongs to an event loop, so it is made inside one

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host; ``SourceUnavailable`` when one of them is not such as it may have."""
        reach = self._hosts.get(host)
        if reach is None:
            raise self._refusal()
        if self._resolver is None:
            self._resolver = aiohttp.ThreadedResolver()
        answers = await self._resolver.resolve(host, port, family)
        if not all(reach.includes(answer["host"]) for answer in answers):
            raise self._refusal()
        return answers

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one address, after the last look at it."""
        family, kind, protocol, _, where = info
        if not any(reach.includes(where[0]) for reach in self._hosts.values()):
            raise self._refusal()
        return socket.socket(family, kind, protocol)

    def _refusal(self) -> SourceUnavailable:
        where = ", ".join(sorted(self._hosts))
        return SourceUnavailable(
            "A host leads to an address that is not public, so nothing was sent", where=where, fix=self._fix
        )

    async def close(self) -> None:
        """Nothing stays open between look-ups."""
