"""``[people]``: how long people stay signed in, where else they may sign in, and whom commands act for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.access.roles import built_in_roles
from gateway.secret import Secret
from gateway.settings_keys import Part

EVERYBODY = "*"


def _role(name: str) -> str:
    if name not in built_in_roles().named:
        raise ValueError(f"is not a role; known are: {', '.join(built_in_roles().named)}")
    return name


RoleName = Annotated[str, AfterValidator(_role)]


class Oidc(Part):
    """``[people.oidc]``: sign-in at the organization's own identity provider."""

    issuer: str = Field(pattern=r"^https?://[^\s?#]+$", description="The provider's issuer, as its tokens name it.")
    client_id: str = Field(min_length=1, description="What the provider calls this gateway.")
    client_secret: Secret = Field(description="Reference to the secret shared with the provider.")
    amr: tuple[str, ...] = Field(
        default=("mfa",), description="A token must name one of these methods (amr): several factors were used."
    )
    acr: tuple[str, ...] = Field(default=(), description="Or one of these classes (acr), where the provider tells so.")
    ca_file: Path | None = Field(default=None, description="PEM file of the authorities to trust for the provider.")
    allow_private: bool = Field(
        default=False, description="Whether the provider may have an address of the house's own network."
    )


class People(Part):
    """``[people]``."""

    idle_minutes: int = Field(default=15, ge=1, le=30, description="Minutes without a request that end a session.")
    session_hours: int = Field(default=12, ge=1, le=12, description="Hours after which a session ends in any case.")
    emergency_minutes: int = Field(
        default=60, ge=1, le=240, description="The longest time for which the emergency role may be taken, in minutes."
    )
    admin_url: str = Field(
        default="", pattern=r"^$|^https://[^/\s?#]+$",
        description="How people reach the admin port through a proxy that ends TLS, such as https://admin.example.org.",
    )  # fmt: skip
    command_line: dict[str, RoleName] = Field(
        default={EVERYBODY: "admin"},
        description="Role by account of the operating system for those who run commands; * is every other account.",
    )
    oidc: Oidc | None = Field(default=None, description="Sign-in at an identity provider.")
