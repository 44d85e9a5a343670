"""Settings of one FHIR server."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.model.fhir_places import PUSHED
from gateway.settings import Secret
from gateway.transport.smart import Server, SmartAccount
from gateway_fhir.records import TYPES

Profile = Literal["generic", "epic-like", "gateway", "nethealth", "theraoffice"]


class FhirConfig(SmartAccount):
    """``[sources.config]`` of a source whose adapter is ``fhir``."""

    base_url: Server | None = Field(
        None, description="Base address of the server; without one, files come in by `gateway import` and hooks only."
    )
    profile: Profile = Field(
        "generic", description="What kind of server it is; gateway: another gateway's facade, whose records come whole."
    )
    types: tuple[str, ...] = Field(
        TYPES, min_length=1, description="Resource types to read; those the server does not serve are reported."
    )
    further_keys: tuple[Secret, ...] = Field(
        (), max_length=4, description="References to further keys to publish: the next one, and the last one."
    )
    scopes: tuple[str, ...] = Field(
        (), description="Scopes to ask for; when empty, system/<Type>.rs or .read, as the server's versions tell."
    )
    stay_current: Literal["auto", "search", "bulk", "hooks"] = Field(
        "auto",
        description="auto: search by _lastUpdated where the server declares it, $export for the other types; hooks:"
        " only what the server sends.",
    )
    assume_last_updated: bool = Field(
        default=False, description="Search by _lastUpdated although the server does not declare it."
    )
    check_totals: bool = Field(
        default=True, description="Do not move on when a search or a file gives fewer resources than the server says."
    )
    poll_seconds: float = Field(60.0, ge=0.05, le=86_400, description="Seconds between two searches of a type.")
    overlap_seconds: int = Field(
        120, ge=1, le=86_400, description="Seconds before the cursor that are read again, for changes that appear late."
    )
    page_size: int = Field(100, ge=1, le=1000, description="Resources asked for in one page.")
    most_pages: int = Field(10_000, ge=1, description="Pages of one search; more of them are taken for a loop.")
    export_level: Literal["system", "patient", "group"] = Field("patient", description="Which $export to ask for.")
    export_group: str | None = Field(
        None, pattern=r"^[A-Za-z0-9.\-]{1,64}$", description="Id of the Group, for export_level = group."
    )
    export_seconds: float = Field(3600.0, ge=0.05, le=604_800, description="Seconds between two exports.")
    export_patience_seconds: float = Field(
        86_400.0, gt=0, description="How long one export may take before it is given up and asked for anew."
    )
    file_servers: tuple[Server, ...] = Field(
        (), max_length=8,
        description="Further places, as https://storage.example, that exported files may be had from; the token goes"
        " there only where the export says that its files need one.",
    )  # fmt: skip
    requests_per_minute: int = Field(240, ge=1, le=60_000, description="Our own limit on requests.")
    retries: int = Field(4, ge=0, le=10, description="Further attempts at one request before the stream waits.")
    timeout_seconds: float = Field(60.0, gt=0, le=600, description="Longest time for one request and its answer.")
    max_resource_bytes: int = Field(
        16 * 2**20, ge=1024, le=256 * 2**20, description="Largest single resource; a larger one becomes a finding."
    )
    max_bundle_bytes: int = Field(
        64 * 2**20, ge=1024, le=512 * 2**20, description="Largest Bundle or page, which is held in memory whole."
    )
    hook_secret: Secret | None = Field(
        None,
        description="Reference to the secret that the server sends as `Authorization: Bearer`; hooks are closed"
        " without one.",
    )
    watch_seconds: float = Field(
        900.0, ge=0, le=86_400,
        description="Seconds between two looks at the state of our Subscriptions at the server, where it shows it and"
        " hook_secret is set; 0: never.",
    )  # fmt: skip
    skip_tag: str = Field(
        PUSHED, max_length=64,
        description="Code of our tag on what a route wrote into this server, which is left alone; empty reads it too.",
    )  # fmt: skip
    accepted_modifiers: tuple[str, ...] = Field(
        (), description="Addresses of modifier extensions that may be ignored; others send a resource to quarantine."
    )
    strict: bool = Field(
        default=False, description="Refuse resources that fhir.resources does not hold valid (needs emr-gateway[fhir])."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        unknown = sorted(set(self.types) - set(TYPES))
        if unknown:
            raise ValueError(f"types holds what is not read: {', '.join(one[:40] for one in unknown)}")
        if self.export_level == "group" and self.export_group is None:
            raise ValueError("export_level = group needs export_group")
        if self.base_url is not None and self.stay_current != "hooks":
            self.must_enter(self.base_url)
        return self
