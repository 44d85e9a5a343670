"""Wiring: the adapter object that the gateway loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from gateway import __version__
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import AdapterInfo, Finding, Item, RateBudget, SinkInfo, Stream, Transport
from gateway.model.form import Shape
from gateway.settings import resolve_secret
from gateway.transport.egress import Egress
from gateway_cliniko.config import ClinikoConfig
from gateway_cliniko.config_writeback import WritebackConfig
from gateway_cliniko.records_page import cut_page, is_page
from gateway_cliniko.sink import Writeback
from gateway_cliniko.translate import normalizer, path
from gateway_cliniko.translate_form import form, origins, without
from gateway_cliniko.transport import AccountTransport, access

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of one answer: an appointment with all its notes."""


class ClinikoAdapter:
    """One per process; every method takes the configured account as an argument."""

    info = AdapterInfo(
        name="cliniko",
        version=__version__,
        docs="docs/how-to/cliniko.md",
        api=API_VERSION,
        summary="Cliniko by its REST API: patients, appointments, classes, cases, invoices, referrals, messages.",
        streams=(
            Stream(name="businesses", types=("Location",), mode="poll"),
            Stream(name="practitioners", types=("Practitioner",), mode="poll"),
            Stream(name="inactive_practitioners", types=("Practitioner",), mode="poll"),
            Stream(name="practitioner_reference_numbers", types=("Practitioner",), mode="poll"),
            Stream(name="contacts", types=("Practitioner", "Payer"), mode="poll"),
            Stream(name="patients", types=("Patient", "Consent"), mode="poll"),
            Stream(name="patient_cases", types=("EpisodeOfCare", "Authorization", "Referral"), mode="poll"),
            Stream(name="referral_source_types", types=("ReferralSource",), mode="poll"),
            Stream(name="referral_sources", types=("Referral",), mode="poll"),
            Stream(name="individual_appointments", types=("Appointment",), mode="poll"),
            Stream(name="group_appointments", types=("Appointment",), mode="poll"),
            Stream(name="attendees", types=("Appointment",), mode="poll"),
            Stream(name="invoices", types=("Invoice",), mode="poll"),
            Stream(name="invoice_items", types=("Invoice",), mode="poll"),
            Stream(name="communications", types=("Communication",), mode="poll"),
            Stream(name="unavailable_blocks", types=("Unavailability",), mode="poll"),
        ),
        gaps=(
            "There are no webhooks: a change is seen at the next poll.",
            "There is no state 'completed', and no mark for a late cancellation.",
            "The API does not list deleted patients, and a deleted provider number leaves no trace.",
            "Payments, balances, claims and eligibility are not in the API; an invoice is open, paid or closed.",
            "A case's limit of sessions is given, not how many are used: that is counted from its appointments.",
            "Memos and messages without a channel, and contacts that are neither doctor nor payer, make no record.",
        ),
        rate=RateBudget(requests=200, seconds=60.0),
    )
    config: type[BaseModel] = ClinikoConfig
    mappings: Traversable = files("gateway_mappings") / "cliniko"
    shape = Shape(form=form, origins=origins, without=without)

    def recognize(self, head: bytes) -> bool:
        """A saved page of one of the lists that this adapter reads."""
        return is_page(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """The items of a saved page."""
        del config  # a page says everything itself
        return cut_page(chunks)

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one field by the API's own name."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From an item's bytes to patches."""
        return normalizer(cast("ClinikoConfig", config), mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """One poller for all lists, because they share the key's request budget."""
        return [AccountTransport(name, cast("ClinikoConfig", config))]


class ClinikoSink:
    """Writes back into an account what was decided about its appointments."""

    info = SinkInfo(
        name="cliniko",
        version="1",
        api=API_VERSION,
        docs="docs/how-to/write-back-to-cliniko.md",
        summary="Arrivals, no-shows, cancellations and notes, written into a Cliniko account",
        idempotency="probe",
        residual_risk="A note replaces all notes of the visit: what somebody writes there in the same second is lost.",
        batch=16,
        native=(("Task", "about"), ("Communication", "about")),
    )
    config: type[BaseModel] = WritebackConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the key's shard; the first request is made with the first delivery."""
        settings = cast("WritebackConfig", config)
        base, headers = access(settings, resolve_secret(settings.api_key), settings.contact_email)
        egress = Egress(
            base, allow_loopback=settings.base_url is not None, timeout=settings.timeout_seconds,
            answer_limit=ANSWER_LIMIT, where=f"routes.{route}.base_url",
        )  # fmt: skip
        return Writeback(settings, egress, headers)


@hookimpl
def gateway_adapters() -> Sequence[ClinikoAdapter]:
    """The adapter ``cliniko``."""
    return [ClinikoAdapter()]


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The sink ``cliniko``."""
    return (ClinikoSink(),)
