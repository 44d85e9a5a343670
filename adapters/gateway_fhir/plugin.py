"""Wiring: the adapter object and the commands that the gateway loads."""

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
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_file import cut, is_fhir
from gateway_fhir.translate import normalizer
from gateway_fhir.translate_form import form, origins, without
from gateway_fhir.translate_path import path
from gateway_fhir.translate_validity import faults

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized

_MAKES = (
    "Patient", "Practitioner", "Location", "Organization", "Payer", "Appointment", "Slot", "Unavailability", "Visit",
    "Coverage", "Benefit", "Referral", "PlanOfCare", "EpisodeOfCare", "Claim", "Authorization", "ClaimPayment",
    "Remittance", "Consent",
)  # fmt: skip


class FhirAdapter:
    """One per process; every method takes the configured server as an argument."""

    info = AdapterInfo(
        name="fhir",
        version=__version__,
        docs="docs/how-to/connect-fhir.md",
        api=API_VERSION,
        summary="FHIR R4: search by _lastUpdated, Bulk Data $export, rest-hook subscriptions, Bundles and NDJSON.",
        streams=(
            Stream(name="search", types=_MAKES, mode="poll"),
            Stream(name="export", types=_MAKES, mode="poll"),
            Stream(name="subscription", types=_MAKES, mode="push"),
            Stream(name="file", types=_MAKES, mode="file"),
        ),
        gaps=(
            "US Core asks no server for appointments, slots, eligibility, claims or payments: many serve none.",
            "A Condition that is only referred to is not read, so its diagnosis code is missing.",
            "Adjustments have reasons and no group code: whether a payment balances cannot be told.",
            "Amounts in other currencies than US dollars are refused.",
            "Goals are counted in their CarePlan, and as met only where it brings them along.",
        ),
    )
    config: type[BaseModel] = FhirConfig
    mappings: Traversable = files("gateway_mappings") / "fhir"
    shape = Shape(form=form, origins=origins, without=without)

    def recognize(self, head: bytes) -> bool:
        """A file that begins like a resource, a Bundle or NDJSON of resources."""
        return is_fhir(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per resource or deletion."""
        return cut(chunks, cast("FhirConfig", config))

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one element, in FHIR's own words."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a resource's bytes to patches."""
        return normalizer(cast("FhirConfig", config), mapping)

    def faults(self, body: bytes) -> str:
        """What fhir.resources finds wrong with a resource that goes to quarantine."""
        return faults(body)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """One poller for the whole server, which shares its access token and request budget."""
        from gateway_fhir.transport import transports

        return transports(name, cast("FhirConfig", config))

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of notifications and of questions for our public keys, where either is configured."""
        from gateway_fhir.transport_hook import receiver

        return receiver(name, cast("FhirConfig", config))


@hookimpl
def gateway_adapters() -> Sequence[FhirAdapter]:
    """The adapter ``fhir``."""
    return [FhirAdapter()]


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The commands ``fhir``."""
    from gateway_fhir.command import app

    return [app]
