"""Settings of a mailed head."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gateway.settings import Part, Secret, is_loopback_host


class MailWitnessConfig(Part):
    """Whom to mail, and through which server."""

    host: str = Field(min_length=1, description="The mail server (SMTP submission).")
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 for starttls, 465 for tls.")
    encryption: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is protected; none is for a server on this machine."
    )
    sender: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", description="The address the mail comes from.")
    recipients: tuple[str, ...] = Field(min_length=1, max_length=20, description="Who gets it.")
    user: str = Field(default="", description="The account at the mail server, when it asks for one.")
    password: Secret | None = Field(default=None, description="Reference to the account's password.")

    @model_validator(mode="after")
    def _protected(self) -> MailWitnessConfig:
        if self.encryption == "none" and not is_loopback_host(self.host):
            raise ValueError("a mail server off this machine needs starttls or tls")
        if any("@" not in one or any(sign.isspace() for sign in one) for one in self.recipients):
            raise ValueError("a recipient is an address such as officer@clinic.example")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password belong together")
        return self
