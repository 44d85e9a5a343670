"""Settings of the reactors ``followup`` and ``inquiries``."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Part

Days = dict[str, float]


class InquiryConfig(Part):
    """``[reactors.config]`` of a reactor ``inquiries``. Days count from when the claim was sent."""

    ask_days: float = Field(
        default=21, ge=0, le=365, description="Days after which a payer is asked about a claim (276); 0: never."
    )
    ask_days_by_filing_indicator: Days = Field(
        default_factory=dict, description="The same by kind of payer: { MB = 15, WC = 45 }."
    )
    ask_again_days: float = Field(default=14, gt=0, le=365, description="Days between two questions about one claim.")
    asks: int = Field(default=3, ge=1, le=12, description="Most questions about one claim; then it is work.")


class FollowUpConfig(InquiryConfig):
    """``[reactors.config]`` of a reactor ``followup``. Days count from when the claim was sent."""

    acknowledged_hours: float = Field(
        default=24.0, ge=0, le=720, description="Hours after which a missing 999 is work; 0: none is expected."
    )
    accepted_days: float = Field(
        default=4, ge=0, le=90, description="Days after which a missing 277CA is work; 0: none is expected."
    )
    copies_asked: bool = Field(
        default=False,
        description="Whether a reactor `inquiries` asks about claims made elsewhere: then they are work later.",
    )
    second_payers: bool = Field(
        default=True, description="Whether claims are made for further payers once those before decided."
    )
    passed_on_remarks: tuple[str, ...] = Field(
        default=("MA18", "N89"), description="Remark codes by which a payer says that it passed a claim on."
    )
    passed_on_days: int = Field(
        default=45, ge=1, le=365, description="Days after which a claim passed on without an answer is work."
    )
