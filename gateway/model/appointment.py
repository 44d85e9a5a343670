"""A booked time in the clinic."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.model.identity import RecordId
from gateway.model.values import Instant, Zone, check_zone

AppointmentStatus = Literal["booked", "confirmed", "arrived", "completed", "cancelled", "no-show"]


class Appointment(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A patient's appointment with a therapist (HL7 SCH and AIx, FHIR Appointment)."""

    start: Instant
    """When it begins (SCH-11.4, AIS-4, Appointment.start)."""
    status: AppointmentStatus
    """Where it stands (SCH-25 table 0278, Appointment.status)."""
    end: Instant | None = None
    """When it ends (SCH-11.5, Appointment.end)."""
    zone: Zone | None = None
    """IANA time zone of the clinic."""
    start_as_sent: str | None = None
    """The source's own text of the start, where it had no zone or fell into a clock change."""
    end_as_sent: str | None = None
    """The source's own text of the end, likewise."""
    minutes: int | None = None
    """Planned length in minutes (SCH-9, SCH-10, Appointment.minutesDuration)."""
    type: str | None = None
    """What kind of visit: evaluation, treatment, in the source's words (SCH-8, Appointment.appointmentType)."""
    reason: str | None = None
    """Why it was made (SCH-7, Appointment.reasonCode)."""
    patient: RecordId | None = None
    """Who comes, a Patient (PID-3, Appointment.participant)."""
    practitioner: RecordId | None = None
    """Who treats, a Practitioner (AIP-3, Appointment.participant)."""
    location: RecordId | None = None
    """Where, a Location (AIL-3, Appointment.participant)."""
    room: str | None = None
    """Room or resource within the clinic (AIL-3.2, AIG-3)."""
    cancel_reason: str | None = None
    """Why it was cancelled, as a word of the cancel reason table (SCH-6, Appointment.cancelationReason)."""
    cancelled_at: Instant | None = None
    """When it was cancelled (MSH-7 of S15)."""
    authorization: RecordId | None = None
    """What allows it, an Authorization (AUT-2, Appointment.basedOn)."""
    episode: RecordId | None = None
    """The EpisodeOfCare it belongs to."""
    visit_number: str | None = None
    """The source's encounter number once the patient came (PV1-19)."""
    telehealth: bool | None = None
    """True when it is held by video or telephone (Appointment.serviceType)."""
    online_booking: bool | None = None
    """True when the patient booked it themselves."""
    created_at: Instant | None = None
    """When it was booked (Appointment.created)."""

    def __post_init__(self) -> None:
        check_zone(self)
