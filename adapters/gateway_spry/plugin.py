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
from gateway.model.exchange import AdapterInfo, Finding, HookReceiver, Item, Stream, Transport
from gateway.model.form import Shape
from gateway_spry.config import SpryConfig
from gateway_spry.records import cut_answer, is_answer
from gateway_spry.translate import normalizer, path
from gateway_spry.translate_form import form, origins, without
from gateway_spry.transport import OrganisationTransport
from gateway_spry.transport_hooks import OrganisationHooks

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class SpryAdapter:
    """One per process; every method takes the configured organisation as an argument."""

    info = AdapterInfo(
        name="spry",
        version=__version__,
        docs="docs/how-to/spry.md",
        api=API_VERSION,
        summary="SPRY by its REST API: calendars with their patients, cases, insurance, authorizations, webhooks.",
        streams=(
            Stream(name="appointments", types=("Appointment", "Patient"), mode="poll"),
            Stream(
                name="cases",
                types=("Authorization", "Coverage", "EpisodeOfCare", "Payer", "Practitioner", "Referral"),
                mode="poll",
            ),
            Stream(
                name="webhooks",
                types=("Appointment", "Authorization", "Coverage", "EpisodeOfCare", "Patient"),
                mode="push",
            ),
        ),
        gaps=(
            "No published call lists doctors, clinics, patients or cases: doctors are set by hand.",
            "A case is read once an appointment, a webhook or the settings name it.",
            "The words for an appointment's status are published in part: others wait in quarantine until mapped.",
            "An appointment that is no longer listed is not taken for cancelled, unless the settings say so.",
            "No invoices, payments, eligibility or waiting list. No request limit is published.",
        ),
    )
    config: type[BaseModel] = SpryConfig
    mappings: Traversable = files("gateway_mappings") / "spry"
    shape = Shape(form=form, origins=origins, without=without)

    def recognize(self, head: bytes) -> bool:
        """A saved answer of one of the calls that this adapter makes."""
        return is_answer(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """The messages of a saved answer."""
        return cut_answer(chunks, cast("SpryConfig", config).status_field)

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one field by the API's own name."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a message's bytes to patches."""
        del config  # what the settings say of a message is in its context
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """One poller for all calendars and cases; none for a source of files or webhooks only."""
        settings = cast("SpryConfig", config)
        return [OrganisationTransport(name, settings)] if settings.client_id else []

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of notices, where their key is set."""
        del name  # the address already led here
        settings = cast("SpryConfig", config)
        return OrganisationHooks(settings) if settings.webhook_key is not None else None


@hookimpl
def gateway_adapters() -> Sequence[SpryAdapter]:
    """The adapter ``spry``."""
    return [SpryAdapter()]


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The command ``spry``."""
    from gateway_spry.command import app

    return [app]
