"""Wiring: the adapter object and the command that the gateway loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, cast

import typer
from pydantic import BaseModel

from gateway import __version__
from gateway.hookspecs import API_VERSION, hookimpl
from gateway.model.exchange import AdapterInfo, Finding, HookReceiver, Item, RateBudget, Stream, Transport
from gateway.model.form import Shape
from gateway_jane.config import JaneConfig
from gateway_jane.records import cut_page, is_page, whole
from gateway_jane.records_feed import cut_feed, is_feed
from gateway_jane.translate import normalizer, path
from gateway_jane.translate_form import form, origins, without
from gateway_jane.transport import ClinicTransport
from gateway_jane.transport_feed import FeedTransport
from gateway_jane.transport_hooks import ClinicHooks

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class JaneAdapter:
    """One per process; every method takes the configured clinic as an argument."""

    info = AdapterInfo(
        name="jane",
        version=__version__,
        docs="docs/how-to/jane.md",
        api=API_VERSION,
        summary="Jane by its Developer Platform: locations, staff, patients, one-on-one appointments, webhooks.",
        streams=(
            Stream(name="locations", types=("Location",), mode="poll"),
            Stream(name="staff_members", types=("Practitioner",), mode="poll"),
            Stream(name="patients", types=("Patient", "Consent"), mode="poll"),
            Stream(name="appointments", types=("Appointment",), mode="poll"),
            Stream(name="webhooks", types=("Appointment",), mode="push"),
            Stream(name="feeds", types=("Slot", "Practitioner"), mode="poll"),
        ),
        gaps=(
            "Only partners of the vendor get access, and someone of the clinic must agree; iCal feeds need neither.",
            "A feed tells when a therapist is busy: not with whom, and not whether who is missing came, moved or left.",
            "After half an hour without a look the consent is over and must be given again.",
            "Classes and groups are not listed, nor invoices, payments, claims, policies, waiting list and shifts.",
            "Arrivals and no-shows send no webhook: they are seen at the next poll.",
            "Items carry no version: of two states the one that arrived later counts.",
            "Cancellation reasons other than the clinic's own list arrive as 'Other'.",
        ),
        rate=RateBudget(requests=100, seconds=60.0),
    )
    config: type[BaseModel] = JaneConfig
    mappings: Traversable = files("gateway_mappings") / "jane"
    shape = Shape(form=form, origins=origins, without=without)

    def recognize(self, head: bytes) -> bool:
        """A saved page of one of the lists that this adapter reads, or a saved feed."""
        return is_page(head) or is_feed(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """The items of a saved page, or the events of a saved feed, which are the one configured staff member's."""
        settings = cast("JaneConfig", config)
        body = whole(chunks)
        if not is_feed(body):
            return cut_page([body])
        (staff, feed), *_ = [*settings.feeds.items()] if len(settings.feeds) == 1 else [("", None)]
        return cut_feed([body], staff, feed.name if feed is not None else "", settings.feed_zone or "UTC")

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one field by the API's own name."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From an item's bytes to patches."""
        return normalizer(cast("JaneConfig", config), mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """One poller for all lists, because they share the clinic's budget, and one for feeds; none for files only."""
        settings = cast("JaneConfig", config)
        api = [ClinicTransport(name, settings)] if settings.clinic or settings.client_id else []
        return [*api, FeedTransport(name, settings)] if settings.feeds else api

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of notices, where webhooks are set up."""
        del name  # the address already led here
        settings = cast("JaneConfig", config)
        return ClinicHooks(settings) if settings.webhooks else None


@hookimpl
def gateway_adapters() -> Sequence[JaneAdapter]:
    """The adapter ``jane``."""
    return [JaneAdapter()]


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The command ``jane``."""
    from gateway_jane.command import app

    return [app]
