"""Settings of one route to SendGrid."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part, Secret


class SendgridConfig(Part):
    """``[routes.config]`` of a route whose sink is ``sendgrid``."""

    key: Secret = Field(description="Reference to the API key, which needs the right to send mail only.")
    sender: str = Field(
        pattern=r"^[^@\s<>,;\"]{1,64}@[A-Za-z0-9.-]{1,190}$", description="Verified address that messages come from."
    )
    sender_name: str = Field(default="", max_length=78, description="Name beside that address.")
    sandbox: bool = Field(default=False, description="Whether SendGrid only checks messages and sends none.")
    unsubscribe_url: str = Field(
        default="", pattern=r"^$|^https?://[^\s?#]+$",
        description="Public address of the hooks of a source of adapter smtp; no link without it.",
    )  # fmt: skip
    unsubscribe_secret: Secret | None = Field(
        default=None, description="Reference to the secret that marks links; the source needs the same."
    )
    url: str = Field(default="https://api.sendgrid.com", description="The API; another one for trials only.")
    concurrency: int = Field(default=4, ge=1, le=64, description="The most requests at one time.")
    timeout: float = Field(default=20.0, gt=0, le=60, description="Seconds for one request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether an API on this machine may be reached, without TLS too: for trials."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
