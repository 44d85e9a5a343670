"""Settings of one SPRY organisation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from yarl import URL

from gateway.settings import Part, Secret
from gateway.transport.http import is_loopback


def _origin(address: str) -> str:
    url = URL(address)
    if url.path not in ("", "/") or url.query_string or url.user:
        raise ValueError("is an address without anything behind the host: https://provider.sprypt.com")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url)):
        raise ValueError("begins with https://; http is for a simulator on this machine only")
    return str(url.origin())


Origin = Annotated[str, AfterValidator(_origin)]
Id = Annotated[str, Field(pattern=r"^[\w-]{1,64}$")]


class SpryConfig(Part):
    """``[sources.config]`` of a source whose adapter is ``spry``."""

    base_url: Origin = Field("https://provider.sprypt.com", description="Address of the API.")
    subscriptions_url: Origin | None = Field(
        None, description="Address of the webhook subscriptions, where they have one of their own; not published."
    )
    client_id: str | None = Field(None, description="Client id that SPRY gave; polling needs it.")
    client_secret: Secret | None = Field(None, description="Reference to the client secret.")
    clinics: tuple[Id, ...] = Field((), description="Ids of the clinics to read; those of the token when empty.")
    doctors: tuple[Id, ...] = Field(
        (), description="Ids of the doctors whose calendars are read; no published call lists them."
    )
    practice_id: Id = Field("0", description="Id of the practice; 0 when it is not known.")
    cases: tuple[Id, ...] = Field((), description="Ids of cases to read from the start, besides those that are named.")
    status_field: str = Field(
        "status",
        pattern=r"^[a-z_]{1,64}$",
        description="Field of a calendar's row that holds its status; its name is not published.",
    )
    case_field: str = Field(
        "spry_case_id", pattern=r"^[a-z_]{1,64}$", description="Field of a case webhook that names the case."
    )
    days_back: int = Field(30, ge=0, le=366, description="Days before today that calendars are read.")
    days_ahead: int = Field(90, ge=1, le=366, description="Days after today that calendars are read.")
    unlisted: Literal["unknown", "gone"] = Field(
        "unknown",
        description="Whether a coming appointment is gone that two whole readings of all calendars in a row miss.",
    )
    page_size: int = Field(300, ge=1, le=300, description="Rows asked for in one page.")
    most_pages: int = Field(200, ge=1, le=10_000, description="Pages of one calendar read in one go.")
    poll_seconds: float = Field(120.0, ge=0.05, le=86_400, description="Seconds between two looks at the calendars.")
    case_poll_seconds: float = Field(3600.0, ge=0.05, le=86_400, description="Seconds between two looks at the cases.")
    requests_per_minute: int = Field(60, ge=1, le=600, description="The vendor publishes no limit; this one is kept.")
    retries: int = Field(4, ge=0, le=10, description="Further attempts at one request before the stream waits.")
    timeout_seconds: float = Field(60.0, gt=0, le=600, description="Longest time for one request and its answer.")
    webhook_key: Secret | None = Field(
        None, description="Reference to the signature key of the subscription; without one no webhook is believed."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("client_id and client_secret belong together")
        return self
