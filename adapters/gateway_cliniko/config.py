"""Settings of one Cliniko account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from yarl import URL

from gateway.settings import Part, Secret, Zone
from gateway.transport.http import is_loopback

MAIL = r"^[^@\s()]+@[^@\s()]+\.[^@\s()]+$"


def _simulator(address: str) -> str:
    url = URL(address)
    if url.scheme != "http" or not is_loopback(url) or url.query_string or url.user:
        raise ValueError("is for a simulator on this machine only: http://127.0.0.1:PORT")
    return address.rstrip("/")


class CallerConfig(Part):
    """Who calls, and whom: the same for reading and for writing back."""

    app_name: str = Field(
        "emr-gateway",
        pattern=r"^[\w .-]{1,64}$",
        description="Name of the calling software, which the vendor asks for.",
    )
    base_url: Annotated[str, AfterValidator(_simulator)] | None = Field(
        None, description="Address of a simulator on loopback, instead of the vendor's own."
    )


class ClinikoConfig(CallerConfig):
    """``[sources.config]`` of a source whose adapter is ``cliniko``."""

    api_key: Secret | None = Field(
        None,
        description="Reference to the API key (env:NAME or file:path); its suffix, such as -au2, names the shard. "
        "Polling needs it; importing saved pages does not.",
    )
    contact_email: str | None = Field(
        None,
        pattern=MAIL,
        description="Address where the vendor reaches those who run this gateway, sent with every request.",
    )
    zones: dict[str, Zone] = Field(
        default_factory=dict, description="Time zone by business id, where it differs from the source's zone."
    )
    poll_seconds: float = Field(60.0, ge=0.05, le=86_400, description="Seconds between two looks at each list.")
    per_page: int = Field(100, ge=1, le=100, description="Items asked for in one page; the vendor allows 1 to 100.")
    overlap_seconds: int = Field(
        120, ge=1, le=86_400, description="Seconds before the cursor that are read again, for changes that appear late."
    )
    requests_per_minute: int = Field(
        180, ge=1, le=200, description="The vendor allows 200 per minute and user; other software may use the same key."
    )
    retries: int = Field(4, ge=0, le=10, description="Further attempts at one request before the stream waits.")
    timeout_seconds: float = Field(60.0, gt=0, le=600, description="Longest time for one request and its answer.")
    most_pages: int = Field(
        2000, ge=1, description="Pages of one list read in one go; the rest follows at the next look."
    )
    changed_since: datetime | None = Field(
        None, description="On the first look, only items changed since then (with time zone); everything when absent."
    )

    history: Literal["first", "behind"] = Field(
        "first",
        description="On the first look, read everything before what is new (first), or only the last day, while a sweep"
        " brings what is older behind live traffic and goes on where it was (behind).",
    )

    @model_validator(mode="after")
    def _aware(self) -> Self:
        if self.changed_since is not None and self.changed_since.tzinfo is None:
            raise ValueError("changed_since needs a time zone")
        return self
