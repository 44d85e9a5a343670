"""Settings of one route to a webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.settings import Part, Secret


class WebhookConfig(Part):
    """Where changes are posted, and how."""

    url: str = Field(description="The endpoint: https://host/path; http only to this machine, with allow_loopback.")
    secrets: tuple[Secret, ...] = Field(
        min_length=1,
        max_length=5,
        description="References to signing secrets (whsec_ and base64); each signs, so that one can be replaced.",
    )
    payload: Literal["full", "thin"] = Field(
        default="full", description="full sends the granted fields; thin sends ids only."
    )
    concurrency: int = Field(default=16, ge=1, le=256, description="The most requests at one time.")
    timeout: float = Field(default=20.0, gt=0, le=30, description="Seconds for one whole request and its answer.")
    allow_loopback: bool = Field(
        default=False, description="Whether a receiver on this machine may be reached, without TLS too: for trials."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
