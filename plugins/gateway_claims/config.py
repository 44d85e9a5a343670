"""Settings of the reactor ``claims``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.settings import Part, Zone


class ClaimsConfig(Part):
    """``[reactors.config]`` of a reactor ``claims``."""

    documents: tuple[Literal["claim", "eligibility", "authorization"], ...] = Field(
        default=("claim", "eligibility", "authorization"), description="Which documents are made."
    )
    ready: tuple[Literal["finished", "signed"], ...] = Field(
        default=("signed",), description="States of a visit in which it may be billed."
    )
    without_status: bool = Field(
        default=False,
        description="Whether a visit that names no state is billed once it has charges: those of HL7 (DFT) name none.",
    )
    minutes_required: bool = Field(
        default=True,
        description="Whether timed codes without minutes hold a claim back; false where a system counts units itself:"
        " then only a visit that tells the minutes of some timed codes and not of others is warned about.",
    )
    zone: Zone | None = Field(
        default=None, description="Zone of days where a visit names none; unset, its time's own offset tells the day."
    )
    eligibility_days: int = Field(
        default=3, ge=0, le=30, description="Days before the first visit of a month at which a policy is asked about."
    )
    service_type: str = Field(
        default="PT", pattern=r"^[A-Z0-9]{1,2}$", description="Service type asked about: PT, AD (OT), AF (speech)."
    )
    midpoint: tuple[str, ...] = Field(
        default=(), description="Filing indicators whose payers count units line by line; all others the CMS way."
    )
    plan_order: tuple[str, ...] = Field(
        default=(), max_length=1000,
        description="Plans by name, those that pay first before others: for policies whose system tells no order.",
    )  # fmt: skip
    authorization_required: tuple[str, ...] = Field(
        default=(), description="Filing indicators whose payers want an authorization for every visit."
    )
    pairs_not_checked: tuple[str, ...] = Field(
        default=(), description="Filing indicators whose payers do not use NCCI pairs."
    )
    extra_pairs: tuple[str, ...] = Field(
        default=(), description="Pairs for which payers want 59 or X though NCCI does not: 97530-97140."
    )
