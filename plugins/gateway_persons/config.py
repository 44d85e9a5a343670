"""Settings of the reactor ``persons``."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from gateway.settings import Part


class PersonsConfig(Part):
    """``[reactors.config]`` of a reactor ``persons``."""

    filler_birth_dates: tuple[date, ...] = Field(
        default=(date(1900, 1, 1), date(1901, 1, 1)),
        description="Birth dates that systems write where none is known; they link nobody.",
    )
    record_number_types: tuple[str, ...] = Field(
        default=("MR",), description="Kinds of identifier (HL7 table 0203) that name one human being in their domain."
    )
