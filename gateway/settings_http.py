"""``[http]``: the public port and the admin port, their TLS, and the proxies before them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.settings_keys import Name, Part
from gateway.settings_retries import RetrySteps


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("is not an address or a network, such as 127.0.0.1 or 10.1.0.0/24") from None
    if not network.prefixlen:
        raise ValueError("would believe everybody; name the proxies")
    return str(network)


class Http(Part):
    """``[http]``: the public port. Without this table nothing listens for HTTP."""

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="The public port; 0 takes a free one.")
    admin_port: int | None = Field(
        default=None, ge=0, le=65535,
        description="A port of this machine alone that says in detail how the gateway is; none when not given.",
    )  # fmt: skip
    tls: Literal["own", "proxy"] = Field(
        default="own",
        description="own: off this machine a certificate is needed; proxy: a proxy ends TLS, alone reaching us.",
    )
    certificate: Path | None = Field(default=None, description="PEM file of the certificate and its chain.")
    key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    public_url: str = Field(
        default="", pattern=r"^$|^https?://[^/\s?#]+$",
        description="How partners reach the port, such as https://gateway.example.org; signatures and tokens cover it.",
    )  # fmt: skip
    hook_sink: Name = Field(
        default="webhook", description="The sink that serves clients who subscribe; loaded with this table."
    )
    hook_retries: RetrySteps | None = Field(
        default=None, description="What `retries` is to a route, for clients who subscribe; nine steps if not given."
    )
    hook_loopback: bool = Field(
        default=False, description="Whether subscriptions may name this machine, without TLS too: for trials."
    )
    hook_bytes: int = Field(default=4 * 2**20, gt=0, description="The largest request to /hooks, in bytes.")
    indexed: tuple[str, ...] | None = Field(
        default=None, description="Record types of the search index; those that clients' views grant when not given."
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=(),
        description="Addresses or networks of proxies whose word on who asks is believed, as 127.0.0.1 or 10.1.0.0/24.",
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="The header in which they tell it, each adding the address that it was asked from.",
    )
    concurrency: int = Field(default=256, gt=0, le=10_000, description="The most requests at one time.")

    @property
    def url(self) -> str:
        """The public address, without a slash at its end."""
        if self.public_url:
            return self.public_url
        scheme = "http" if self.certificate is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @model_validator(mode="after")
    def _guarded(self) -> Http:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if self.tls == "own" and self.certificate is None and not is_loopback_host(self.host):
            raise ValueError(
                "an address off this machine needs certificate and key, or tls = 'proxy' when a proxy ends TLS"
            )
        return self


def is_loopback_host(host: str) -> bool:
    """Whether only this machine can reach what listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
