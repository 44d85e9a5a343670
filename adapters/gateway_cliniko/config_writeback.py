"""Settings of one route that writes back into a Cliniko account."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.settings import Secret
from gateway_cliniko.config import MAIL, CallerConfig

Act = Literal["arrived", "did-not-arrive", "cancel", "note"]
Reason = Literal[10, 20, 30, 40, 50, 60]


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("is one line without control characters")
    return text


Line = Annotated[str, Field(max_length=200), AfterValidator(_line)]


class WritebackConfig(CallerConfig):
    """``[routes.config]`` of a route whose sink is ``cliniko``."""

    api_key: Secret = Field(description="Reference to an API key whose user may change appointments (env:, file:).")
    contact_email: str = Field(
        pattern=MAIL,
        description="Address where the vendor reaches those who run this gateway, sent with every request.",
    )
    acts: dict[str, Act] = Field(
        default={"visit-arrived": "arrived", "visit-no-show": "did-not-arrive", "visit-cancelled": "cancel"},
        max_length=50,
        description="What is written for a Task of which kind; a kind that is not here is left alone. reply-cancel and"
        " reply-confirm, a patient's answers to a reminder, are written only where they are named here.",
    )
    note_messages: bool = Field(
        default=False, description="Whether each message sent to a patient about a visit is noted on the visit."
    )
    notes: dict[str, Line] = Field(
        default={
            "reply-cancel": "Cancelled by the patient in answer to the reminder.",
            "reply-confirm": "Confirmed by the patient in answer to the reminder.",
            "reply-reschedule": "The patient asks for another time, in answer to the reminder.",
        },
        max_length=50,
        description="The words written, by kind of Task: the note of a cancellation, or the line of a note.",
    )
    reasons: dict[str, Reason] = Field(
        default={"improved": 10, "worsened": 20, "illness": 30, "away": 40, "work": 60},
        max_length=50,
        description="Code of cancellation_reason by our own word for it; any other word is 50, Other.",
    )
    overrule: bool = Field(
        default=False, description="Whether arrived and did not arrive replace the opposite that the clinic has marked."
    )
    requests_per_minute: int = Field(
        default=20, ge=1, le=200,
        description="Of the 200 a minute that the vendor allows a user; polling with the same key takes 180.",
    )  # fmt: skip
    timeout_seconds: float = Field(default=30.0, gt=0, le=110, description="Longest time for one request.")
