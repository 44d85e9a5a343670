"""Settings of a route to Twilio, and of the source that its answers come back through."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from gateway.settings import Part, Secret

ACCOUNT = r"^AC[0-9a-fA-F]{32}$"
NUMBER = r"^$|^\+[1-9]\d{6,14}$"


class TwilioConfig(Part):
    """``[routes.config]`` of a route whose sink is ``twilio``."""

    account_sid: str = Field(pattern=ACCOUNT, description="The account: AC and 32 hexadecimal digits.")
    api_key_sid: str = Field(
        default="", pattern=r"^$|^SK[0-9a-fA-F]{32}$", description="An API key, where its secret is used to log in."
    )
    secret: Secret = Field(description="Reference to the account's auth token, or to the secret of the API key.")
    from_number: str = Field(default="", pattern=NUMBER, description="Number that texts come from, in E.164.")
    messaging_service_sid: str = Field(
        default="", pattern=r"^$|^MG[0-9a-fA-F]{32}$", description="Messaging service that texts come from instead."
    )
    voice_number: str = Field(default="", pattern=NUMBER, description="Number that calls come from; none without it.")
    hook_url: str = Field(
        default="",
        pattern=r"^$|^https?://[^\s?#]+$",
        description="Public address of the source's hooks, https://host/hooks/<source>.",
    )
    url: str = Field(default="https://api.twilio.com", description="The API; another one for trials only.")
    concurrency: int = Field(default=4, ge=1, le=64, description="The most requests at one time.")
    timeout: float = Field(default=20.0, gt=0, le=60, description="Seconds for one request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether an API on this machine may be reached, without TLS too: for trials."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )

    @model_validator(mode="after")
    def _sender(self) -> TwilioConfig:
        if bool(self.from_number) == bool(self.messaging_service_sid) and not self.voice_number:
            raise ValueError("either from_number or messaging_service_sid is needed for texts")
        if self.from_number and self.messaging_service_sid:
            raise ValueError("from_number and messaging_service_sid exclude each other")
        return self


class TwilioSourceConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``twilio``."""

    account_sid: str = Field(pattern=ACCOUNT, description="The account whose callbacks are taken.")
    auth_token: Secret | None = Field(
        default=None,
        description="Reference to the account's auth token, which signs callbacks; hooks are closed without.",
    )
    help_text: str = Field(
        default="",
        max_length=160,
        description="Answer to HELP where Twilio itself does not answer it; none when empty.",
    )
