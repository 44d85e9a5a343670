"""Settings of one Jane clinic."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from yarl import URL

from gateway.settings import Part, Secret, Zone
from gateway.transport.http import is_loopback


def _clinic(address: str) -> str:
    url = URL(address)
    if url.path not in ("", "/") or url.query_string or url.user:
        raise ValueError("is the clinic's own address without anything behind it: https://CLINIC.janeapp.com")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url)):
        raise ValueError("begins with https://; http is for a simulator on this machine only")
    return str(url.origin())


Clinic = Annotated[str, AfterValidator(_clinic)]


class FeedConfig(Part):
    """One staff member's iCal feed."""

    url: Secret = Field(description="Reference to the feed's private URL, which is all it takes to read it.")
    name: str = Field("", max_length=120, description="The staff member's name.")


class JaneConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``jane``."""

    clinic: Clinic | None = Field(
        None, description="The clinic's address, https://CLINIC.janeapp.com; polling needs it."
    )
    client_id: str | None = Field(None, description="The partner's client id, given by the vendor.")
    client_secret: Secret | None = Field(None, description="Reference to the partner's client secret.")
    client_authentication: Literal["post", "basic"] = Field(
        "post", description="Where id and secret go when a token is asked for: in the form, or as HTTP basic."
    )
    token_file: Path = Field(
        Path("secrets/jane-tokens.json"),
        description="File that the consent is kept in, mode 0600; whoever has it can read the clinic for half an hour.",
    )
    identity: Clinic = Field("https://login.id.janeapp.com", description="The vendor's identity provider.")
    realm: str = Field("jane", pattern=r"^[\w-]{1,64}$", description="jane, or jane_partner_sandbox.")
    redirect_port: int = Field(
        8484, ge=1024, le=65535, description="Port on the loopback that the browser returns to while connecting."
    )
    webhooks: bool = Field(False, description="Whether the clinic sends to /hooks/<source> of the public address.")
    webhook_signed: Literal["body", "timestamp.body"] = Field(
        "body", description="What the vendor signs: the body alone, or the timestamp, a dot and the body."
    )
    webhook_digest: Literal["hex", "base64"] = Field("hex", description="How the signature is written.")
    poll_seconds: float = Field(60.0, ge=0.05, le=1200, description="Seconds between two looks; at most 20 minutes.")
    per_page: int = Field(100, ge=1, le=1000, description="Items asked for in one page.")
    overlap_seconds: int = Field(
        300, ge=1, le=86_400, description="Seconds before the last look that are read again, for clocks that differ."
    )
    requests_per_minute: int = Field(
        95,
        ge=1,
        le=100,
        description="The vendor allows 100 per endpoint, and 600 in five minutes for the whole clinic.",
    )
    retries: int = Field(4, ge=0, le=10, description="Further attempts at one request before the stream waits.")
    timeout_seconds: float = Field(60.0, gt=0, le=600, description="Longest time for one request and its answer.")
    most_pages: int = Field(5000, ge=1, description="Pages of one list read in one go, against lists that never end.")
    feeds: dict[str, FeedConfig] = Field(
        default_factory=dict, description="iCal feeds by a short name of the staff member, for clinics without access."
    )
    feed_seconds: float = Field(900.0, ge=0.05, le=86_400, description="Seconds between two looks at each feed.")
    feed_zone: Zone | None = Field(None, description="IANA zone of feed times that name none; feeds need it.")
    changed_since: datetime | None = Field(
        None, description="On the first look, only items changed since then (with time zone); everything when absent."
    )

    @model_validator(mode="after")
    def _aware(self) -> Self:
        if self.changed_since is not None and self.changed_since.tzinfo is None:
            raise ValueError("changed_since needs a time zone")
        if self.feeds and self.feed_zone is None:
            raise ValueError("feeds need feed_zone")
        if any(not re.fullmatch(r"[a-z0-9-]{1,40}", name) for name in self.feeds):
            raise ValueError("a feed is named by small letters, digits and dashes")
        return self
