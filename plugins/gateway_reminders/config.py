"""Settings of the reactor ``reminders``."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.settings import Part, Zone
from gateway_reminders.translate_text import reviewed

Channel = Literal["sms", "voice", "email"]


class Step(Part):
    """One message before a visit."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,24}$", description="What it is called in records: two-days.")
    hours: float = Field(
        gt=0, le=24 * 60, description="Hours before the visit; whole days are counted on the clinic's clock."
    )
    channel: Channel | None = Field(default=None, description="Only by this channel; by the preferred one when absent.")
    types: tuple[str, ...] = Field(default=(), description="Only for visits of these types; for all when empty.")
    missed: int = Field(default=0, ge=0, description="Only for patients who missed at least so many earlier visits.")


CADENCE = (Step(name="two-days", hours=48), Step(name="one-day", hours=24), Step(name="two-hours", hours=2))


class Clinic(Part):
    """A location as its messages name it."""

    name: str = Field(max_length=60, description="What patients call it.")
    phone: str = Field(default="", max_length=20, description="Number to call, as patients should read it.")
    zone: Zone | None = Field(default=None, description="IANA zone of visits that come without one.")
    cadence: tuple[Step, ...] | None = Field(default=None, description="Steps that replace the general ones.")


class Nudges(Part):
    """Messages that are not about a booked visit: each off, and only with consent for the purpose ``care``."""

    rebook_after_hours: float = Field(
        default=0, ge=0, description="Hours after a missed visit without a new one booked; 0 is off."
    )
    visits_left: int = Field(
        default=0, ge=0, description="Visits left of an authorization at which the patient is told; 0 is off."
    )
    quiet_days: int = Field(
        default=0, ge=0, description="Days without a visit and none booked during a plan of care; 0 is off."
    )


class Risk(Part):
    """A logistic model of missed visits, as ``gateway reminders fit`` prints it."""

    intercept: float = Field(description="Log odds of the reference visit.")
    lead_time: float = Field(description="Per unit of log(1 + days between booking and visit).")
    early: float = Field(description="Before 9 on the clinic's clock.")
    late: float = Field(description="From 16 on the clinic's clock.")
    monday: float = Field(description="On a Monday.")
    friday: float = Field(description="On a Friday.")
    missed_share: float = Field(
        description="Per unit of the share of earlier visits missed, drawn toward the base rate."
    )
    new_patient: float = Field(description="The first visit.")
    base_rate: float = Field(gt=0, lt=1, description="Share of visits missed in the history it was fitted on.")
    add_at: float = Field(default=0.3, gt=0, lt=1, description="Probability from which a reminder is added.")
    add_hours: float = Field(default=72, gt=0, description="Hours before the visit at which it goes out.")


class RemindersConfig(Part):
    """``[reactors.config]`` of a reactor ``reminders``."""

    clinic: Clinic = Field(description="Name, telephone and zone where the location is not listed below.")
    locations: dict[str, Clinic] = Field(
        default_factory=dict, description="By record id of the location (`gateway records Location`)."
    )
    cadence: tuple[Step, ...] = Field(default=CADENCE, description="When before a visit messages go out.")
    channels: tuple[Channel, ...] = Field(
        default=("sms", "email", "voice"), min_length=1, description="In order of preference; consent decides."
    )
    opens: time = Field(default=time(8), description="From when on the patient's clock messages may go out.")
    closes: time = Field(default=time(21), description="Until when on the patient's clock messages may go out.")
    per_day: int = Field(default=2, ge=1, le=50, description="The most messages to one patient on one day.")
    per_week: int = Field(default=6, ge=1, le=200, description="The most messages to one patient in seven days.")
    notice_minutes: int = Field(
        default=45, ge=0, le=1440, description="Minutes before the visit after which no message goes out."
    )
    gap_minutes: int = Field(
        default=120,
        ge=0,
        le=1440,
        description="A message that quiet hours move nearer than this to another is dropped.",
    )
    same_visit_minutes: int = Field(
        default=10,
        ge=0,
        le=120,
        description="Visits of one person in two systems that begin no further apart are one, and reminded of once.",
    )
    remind_confirmed: bool = Field(
        default=True, description="Whether a patient who confirmed gets the remaining messages too."
    )
    templates: Annotated[dict[str, str], AfterValidator(reviewed)] = Field(
        default_factory=dict, description="Texts that replace those shipped, by name such as visit.sms.en."
    )
    nudges: Nudges = Field(default=Nudges(), description="Messages that are not about a booked visit.")
    risk: Risk | None = Field(default=None, description="The model of missed visits; none without it.")

    @model_validator(mode="after")
    def _open(self) -> RemindersConfig:
        if self.opens >= self.closes:
            raise ValueError("opens must come before closes, both on the same day")
        for steps in (self.cadence, *(one.cadence or () for one in self.locations.values())):
            if len({step.name for step in steps}) < len(steps):
                raise ValueError("two steps have the same name")
        return self

    def at(self, location: str | None) -> Clinic:
        """The clinic of a location."""
        return self.locations.get(location or "", self.clinic)
