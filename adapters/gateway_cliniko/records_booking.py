"""What happens to patients: appointments, group attendances, cases, referrals, invoices, messages, closed times."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from gateway_cliniko.records_people import Code, Flag, Relation, Resource, Text


class IndividualAppointment(Resource, frozen=True, kw_only=True):
    starts_at: Text = UNSET
    ends_at: Text = UNSET
    created_at: Text = UNSET
    cancelled_at: Text = UNSET
    cancellation_reason: Code = UNSET
    did_not_arrive: Flag = UNSET
    patient_arrived: Flag = UNSET
    patient: Relation = UNSET
    practitioner: Relation = UNSET
    business: Relation = UNSET
    patient_case: Relation = UNSET


class GroupAppointment(Resource, frozen=True, kw_only=True):
    """A class; who comes is said by its attendees."""

    starts_at: Text = UNSET
    ends_at: Text = UNSET
    practitioner: Relation = UNSET
    business: Relation = UNSET


class Attendee(Resource, frozen=True, kw_only=True):
    """One patient's place in a booking; ``arrived`` is false for a no-show and null while nobody has said."""

    created_at: Text = UNSET
    cancelled_at: Text = UNSET
    cancellation_reason: Code = UNSET
    arrived: Flag = UNSET
    patient: Relation = UNSET
    patient_case: Relation = UNSET


class Attendance(Attendee, frozen=True, kw_only=True):
    """An attendee with the class it belongs to: what an individual appointment says in one resource."""

    starts_at: Text = UNSET
    ends_at: Text = UNSET
    practitioner: Relation = UNSET
    business: Relation = UNSET


class PatientCase(Resource, frozen=True, kw_only=True):
    name: Text = UNSET
    issue_date: Text = UNSET
    expiry_date: Text = UNSET
    closed_at: Text = UNSET
    max_sessions: Code = UNSET
    referral: Flag = UNSET
    patient: Relation = UNSET
    contact: Relation = UNSET

    @property
    def uncapped(self) -> bool:
        """The case says that it has no limit of sessions."""
        return self.max_sessions is None

    @property
    def unreferred(self) -> bool:
        """The case says that it rests on no referral."""
        return self.referral in (None, False) and not self.contact


class InvoiceItem(Resource, frozen=True, kw_only=True):
    name: Text = UNSET
    code: Text = UNSET
    quantity: Text = UNSET
    net_price: Text = UNSET
    total_including_tax: float | Text = UNSET

    @property
    def amount(self) -> str | None:
        """The line with tax, as decimal text; the API gives it as a number, in contrast to all other amounts."""
        given = self.total_including_tax
        if isinstance(given, int | float):
            return f"{given:.2f}"
        return given or self.net_price or None


class Invoice(Resource, frozen=True, kw_only=True):
    """A bill; ``items`` are not of this resource: the transport joins them to it."""

    number: Code = UNSET
    status: Code = UNSET
    issue_date: Text = UNSET
    total_amount: Text = UNSET
    tax_amount: Text = UNSET
    patient: Relation = UNSET
    business: Relation = UNSET
    items: list[InvoiceItem] | UnsetType = UNSET


class ReferralSource(Resource, frozen=True, kw_only=True):
    """How one patient came: a kind of source, and the patient or contact behind it."""

    patient: Relation = UNSET
    referral_source_type: Relation = UNSET
    referrer: Relation = UNSET
    referrer_type: Text = UNSET


class ReferralSourceType(Resource, frozen=True, kw_only=True):
    name: Text = UNSET
    referrer_type: Text = UNSET


class Communication(Resource, frozen=True, kw_only=True):
    created_at: Text = UNSET
    type_code: Code = UNSET
    direction_code: Code = UNSET
    category_code: Code = UNSET
    content: Text = UNSET
    patient: Relation = UNSET
    booking: Relation = UNSET


class UnavailableBlock(Resource, frozen=True, kw_only=True):
    starts_at: Text = UNSET
    ends_at: Text = UNSET
    notes: Text = UNSET
    practitioner: Relation = UNSET
    business: Relation = UNSET


class AppointmentType(Struct, frozen=True, kw_only=True):
    """Its name, which appointments give by id only."""

    id: str | int
    name: str | None = None
