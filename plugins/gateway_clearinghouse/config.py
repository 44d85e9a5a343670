"""Settings of one route to a clearinghouse, and what is known of each by its profile."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pydantic import Field, field_validator, model_validator

from gateway.model.submission import SubmissionKind
from gateway.settings import Part, Secret, Zone
from gateway.transport.sftp import SftpAccount

Connection = Literal["sftp", "core-soap", "core-mime"]
PayloadTypes = dict[SubmissionKind, str]

PAYLOAD_TYPES: PayloadTypes = {
    "eligibility": "X12_270_Request_005010X279A1",
    "claim-status": "X12_276_Request_005010X212",
    "authorization": "X12_278_Request_005010X217",
    "claim": "X12_837_Request_005010X222A1",
    "acknowledgement": "X12_999_Response_005010X231A1",
}
"""CORE names of what is sent; the first two are confirmed, the others follow the same form."""


class BillingClinic(Part):
    """``[routes.config.billing]``: who bills, where the systems that tell of visits name no company."""

    name: str = Field(min_length=1, max_length=60, description="Name (NM1*85).")
    npi: str = Field(pattern=r"^[0-9]{10}$", description="National Provider Identifier (NM109).")
    tax_id: str = Field(pattern=r"^[0-9]{2}-?[0-9]{7}$", description="Employer identification number (REF*EI).")
    lines: tuple[str, ...] = Field(min_length=1, max_length=2, description="Street, no post office box (N3).")
    city: str = Field(min_length=2, max_length=30, description="City (N401).")
    state: str = Field(pattern=r"^[A-Z]{2}$", description="State (N402).")
    postal_code: str = Field(pattern=r"^[0-9]{5}(-?[0-9]{4})?$", description="ZIP code, best of nine digits (N403).")


class ClearinghouseConfig(Part):
    """``[routes.config]`` of a route whose sink is ``clearinghouse``."""

    profile: Literal["stedi", "availity", "optum", "waystar", "trizetto", "eligible", "generic-sftp"] = Field(
        default="generic-sftp", description="Whose confirmed facts fill in what is not set here."
    )
    connection: Connection | None = Field(
        default=None, description="sftp, core-soap or core-mime; the profile's usual one when absent."
    )
    memory: Path = Field(
        description="File that remembers control numbers and what payers, clinics and therapists are; no patient data."
    )
    submitter_id: str = Field(min_length=2, max_length=15, description="Our id at the clearinghouse (ISA06, NM1*41).")
    submitter_name: str = Field(min_length=1, max_length=60, description="Our name (NM1*41).")
    submitter_contact: str = Field(default="BILLING OFFICE", max_length=60, description="Whom to ask for (PER02).")
    submitter_phone: str = Field(pattern=r"^[0-9() .+-]{7,20}$", description="Our telephone (PER04).")
    submitter_qualifier: str = Field(default="ZZ", pattern=r"^[A-Z0-9]{2}$", description="Kind of our id (ISA05).")
    receiver_id: str = Field(default="", max_length=15, description="The clearinghouse's id (ISA08, NM1*40).")
    receiver_name: str = Field(default="", max_length=60, description="The clearinghouse's name (NM1*40).")
    receiver_qualifier: str = Field(default="ZZ", pattern=r"^[A-Z0-9]{2}$", description="Kind of its id (ISA07).")
    taxonomy: str = Field(
        default="261QP2000X", pattern=r"^[0-9A-Z]{10}$", description="Taxonomy code of the billing clinic (PRV03)."
    )
    payers: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9]{2,80}$")]] = Field(
        default_factory=dict,
        max_length=10_000,
        description="Payer id at this clearinghouse by payer's or plan's name, or its number at the clinic.",
    )
    billing: BillingClinic | None = Field(
        default=None, description="Who bills, where a visit's location names no organization."
    )
    production: bool = Field(default=False, description="Whether documents count; false marks them as tests (ISA15).")
    zone: Zone = Field(default="UTC", description="Zone of dates and times in envelopes.")
    upload: str = Field(default="", max_length=200, description="Folder of the mailbox that documents are put into.")
    file_name: str = Field(
        default="{kind}-{control}.{extension}",
        pattern=r"^[A-Za-z0-9_{}.-]{1,80}$",
        description="Name of an uploaded file, of {kind}, {control} and {extension}; it must hold {control}.",
    )
    extensions: dict[SubmissionKind, str] = Field(
        default_factory=dict, description="Extension by kind of document, where the mailbox sorts by it; else x12."
    )
    sftp: SftpAccount | None = Field(default=None, description="Where the mailbox is and how to log in.")
    url: str = Field(default="", description="Address of the CORE service: https://host/path.")
    user: str = Field(default="", max_length=128, description="User name of the CORE service.")
    password: Secret | None = Field(default=None, description="Reference to the password of the CORE service.")
    payload_types: PayloadTypes = Field(
        default_factory=dict, description="CORE payload types, where the service names them differently."
    )
    requests: int = Field(default=5, ge=1, le=1000, description="Most requests in any `seconds`.")
    seconds: float = Field(default=1.0, gt=0, le=3600, description="The window that `requests` counts in.")
    timeout: float = Field(
        default=25.0, gt=0, le=60, description="Seconds for one answer; real-time answers come within 20."
    )
    keep_copies: bool = Field(
        default=True,
        description="Whether sent claims are kept as messages of the source that `answers` names: then 999s find them.",
    )
    directory_seconds: float = Field(
        default=60.0, ge=1, le=86_400, description="Wait for a payer or therapist who has not come by the route yet."
    )
    unknown_payload_error: str = Field(
        default="PayloadIDIllegal",
        pattern=r"^[A-Za-z]{1,60}$",
        description="Error code of a CORE service for a batch it does not know, which is then sent again.",
    )
    allow_loopback: bool = Field(
        default=False, description="Whether a service on this machine may be reached, without TLS too: for trials."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )

    @field_validator("file_name")
    @classmethod
    def _a_name_each(cls, name: str) -> str:
        if "{control}" not in name:
            raise ValueError("must hold {control}, or one file would replace another")
        return name

    @model_validator(mode="after")
    def _complete(self) -> ClearinghouseConfig:
        made = setup(self)
        mailbox = made.connection == "sftp"
        needed = {
            "receiver_id": made.receiver_id,
            "upload": not mailbox or made.upload,
            "sftp": not mailbox or self.sftp,
            "url": mailbox or made.url,
            "user": mailbox or self.user,
            "password": mailbox or self.password,
        }
        lacking = [name for name, there in needed.items() if not there]
        if lacking:
            raise ValueError(
                f"a route by {made.connection} to {self.profile} needs {', '.join(lacking)}; the clearinghouse's "
                "welcome letter has what nothing public says"
            )
        return self

    @field_validator("payers")
    @classmethod
    def _one_id_each(cls, payers: dict[str, str]) -> dict[str, str]:
        known: dict[str, str] = {}
        for name, id in payers.items():
            if known.setdefault(name.strip().casefold(), id) != id:
                raise ValueError("two names differ by letter case alone and have different payer ids; keep one")
        return payers


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is publicly known of one clearinghouse."""

    connection: Connection
    receiver_name: str
    host: str = ""
    upload: str = ""
    receiver_id: str = ""
    test_receiver_id: str = ""
    url_soap: str = ""
    url_mime: str = ""
    extensions: dict[str, str] = {}
    takes: tuple[SubmissionKind, ...] = ("claim", "eligibility", "claim-status", "authorization", "acknowledgement")
    """Kinds it takes; others are refused before they are sent."""
    takes_there: tuple[SubmissionKind, ...] = ()
    """Kinds that its public CORE address takes, where these are fewer."""


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name."""
    text = files("gateway_clearinghouse").joinpath("config_profiles.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Profile])


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Settings and profile put together: everything a route needs."""

    connection: Connection
    receiver_id: str
    receiver_name: str
    upload: str
    url: str
    extensions: dict[str, str]
    payload_types: PayloadTypes
    takes: tuple[SubmissionKind, ...]


def setup(config: ClearinghouseConfig) -> Setup:
    """Fill in from the profile what the settings leave out."""
    known = profiles()[config.profile]
    connection = config.connection or known.connection
    receiver = config.receiver_id or (known.receiver_id if config.production else known.test_receiver_id)
    public = known.url_mime if connection == "core-mime" else known.url_soap
    return Setup(
        connection=connection,
        receiver_id=receiver,
        receiver_name=config.receiver_name or known.receiver_name,
        upload=config.upload or known.upload,
        url=config.url or public,
        extensions=known.extensions | {str(kind): text for kind, text in config.extensions.items()},
        payload_types={**PAYLOAD_TYPES, **config.payload_types},
        takes=known.takes if connection == "sftp" or config.url else known.takes_there or known.takes,
    )
