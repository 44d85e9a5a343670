"""Settings of the reactor ``denials``."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from gateway.settings import Part


class DenialsConfig(Part):
    """``[reactors.config]`` of a reactor ``denials``."""

    appeal_days: int = Field(
        default=60, ge=1, le=730, description="Days to act after a remittance, for payers that do not say their own."
    )
    appeal_days_by_filing_indicator: dict[str, int] = Field(
        default_factory=dict, description="Days to act where a line of business has its own: MB = 120 (CLP06)."
    )
    least: Decimal = Field(
        default=Decimal("0.00"), ge=0, description="US dollars below which a denial makes no task of its own."
    )
    order: tuple[str, ...] = Field(
        default=("authorization", "eligibility", "coding", "medical-necessity", "documentation"),
        description="Which kind counts first where several remark codes point at different ones.",
    )
