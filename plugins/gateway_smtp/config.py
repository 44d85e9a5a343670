"""Settings of a route to a mail server, and of the source that keeps what became of e-mails."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.settings import Part, Secret

ADDRESS = r"^[^@\s<>,;\"]{1,64}@[A-Za-z0-9.-]{1,190}$"


class SmtpConfig(Part):
    """``[routes.config]`` of a route whose sink is ``smtp``."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$", description="The mail server, as its certificate names it.")
    port: int = Field(default=587, ge=1, le=65535, description="587 for STARTTLS, 465 for TLS from the start.")
    tls: Literal["starttls", "implicit"] = Field(default="starttls", description="How TLS begins; never without.")
    user: str = Field(max_length=256, description="User name.")
    password: Secret = Field(description="Reference to the password.")
    sender: str = Field(pattern=ADDRESS, description="Address that messages come from.")
    sender_name: str = Field(default="", max_length=78, pattern=r"^[^\r\n]*$", description="Name beside that address.")
    unsubscribe_url: str = Field(
        default="", pattern=r"^$|^https?://[^\s?#]+$",
        description="Public address of the source's hooks, https://host/hooks/<source>; no link without it.",
    )  # fmt: skip
    unsubscribe_secret: Secret | None = Field(
        default=None, description="Reference to the secret that marks links; the source needs the same."
    )
    concurrency: int = Field(default=2, ge=1, le=16, description="The most connections at one time.")
    timeout: float = Field(default=20.0, gt=0, le=120, description="Seconds for one step of the exchange.")
    allow_private: bool = Field(default=False, description="Whether the server may have an address that is not public.")
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )


class SmtpSourceConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``smtp``."""

    unsubscribe_secret: Secret | None = Field(
        default=None, description="Reference to the secret that marks links; none are taken without it."
    )
