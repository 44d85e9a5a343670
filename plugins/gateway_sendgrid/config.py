"""Settings of a route to SendGrid, and of the source that keeps what became of e-mails."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part, Secret

_DAY = 86_400


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
        description="Public address of the hooks of a source of adapter sendgrid or smtp; no link without it.",
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


class SendgridSourceConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``sendgrid``."""

    event_key: str = Field(
        default="", max_length=400, pattern=r"^[A-Za-z0-9+/=]*$",
        description="Public key of the signed event webhook, as SendGrid shows it; no events are taken without it.",
    )  # fmt: skip
    event_age: float = Field(
        default=_DAY, gt=0, le=7 * _DAY,
        description="Seconds for which a signed request is taken: how long SendGrid repeats one is not documented.",
    )  # fmt: skip
    unsubscribe_secret: Secret | None = Field(
        default=None, description="Reference to the secret that marks links; none are taken without it."
    )
