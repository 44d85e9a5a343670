"""Settings of one route into a Sage Intacct company."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.chart import Chart
from gateway.settings import Secret


class IntacctConfig(Chart):
    """Which company, how to get in, and its accounts (their numbers)."""

    sender_id: str = Field(min_length=1, description="Sender id of the Web Services licence.")
    sender_password: Secret = Field(description="Reference to the sender's password.")
    company: str = Field(min_length=1, description="Company id.")
    user: str = Field(min_length=1, description="Web Services user.")
    password: Secret = Field(description="Reference to the user's password.")
    entity: str = Field(default="", description="Entity (location id) to sign in to; the whole company when empty.")
    journal: str = Field(default="GJ", min_length=1, description="Symbol of the journal.")
    state: Literal["", "Draft", "Posted"] = Field(
        default="", description="State of new batches; empty leaves it to the company."
    )
    url: str = Field(
        default="https://api.intacct.com/ia/xml/xmlgw.phtml",
        description="The XML gateway; a session may name another host of the same domain.",
    )
    sign_in_errors: frozenset[str] = Field(
        default=frozenset({"XL03000006"}), max_length=50,
        description="Error numbers that say that the session is not taken any more: it is opened anew, once.",
    )  # fmt: skip
    wait: float = Field(
        default=3600.0, ge=60, le=86_400,
        description="Seconds after which a refused sign-in is tried again: how many lock a user is not documented.",
    )  # fmt: skip
    timeout: float = Field(default=60.0, gt=0, le=110, description="Seconds for one request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether a simulator on this machine may be reached, without TLS too."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
