"""Wiring: the adapter object that the gateway loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from gateway import __version__
from gateway.hookspecs import API_VERSION, hookimpl
from gateway.model.exchange import AdapterInfo, Finding, HookReceiver, Item, Stream, Transport
from gateway.model.form import Shape
from gateway_reports.config import ReportsConfig
from gateway_reports.records import cut, is_report, whole
from gateway_reports.translate import normalizer, path
from gateway_reports.translate_form import form, origins
from gateway_reports.transport import Dropped, receiver

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class ReportsAdapter:
    """One per process; every method takes the configured system as an argument."""

    info = AdapterInfo(
        name="reports",
        version=__version__,
        docs="docs/how-to/import-reports.md",
        api=API_VERSION,
        summary="Exported reports (CSV, Excel) of Jane, Prompt, Raintree and Clinicient, by their headers.",
        streams=(
            Stream(name="appointments", types=("Appointment", "Patient", "Practitioner"), mode="file"),
            Stream(name="patients", types=("Coverage", "Patient", "Payer"), mode="file"),
            Stream(name="sales", types=("Invoice", "Patient"), mode="file"),
            Stream(name="policies", types=("Coverage", "Patient", "Payer"), mode="file"),
            Stream(name="receivables", types=("AccountBalance", "Patient", "Payer"), mode="file"),
            Stream(name="claims", types=("Claim", "Patient", "Payer"), mode="file"),
        ),
        gaps=(
            "Nothing is known before somebody exports it: what a report leaves out is not taken for deleted.",
            "Of Prompt three headers are published, of Raintree and Clinicient none: name the others under columns.",
            "No header of receivables and claims is published: name them under columns.",
            "Who owes nothing any more is left out of receivables, and stays as the last report had it.",
            "Rows have no version: of two exports the one that arrived later counts.",
            "Where a report gives a patient's name only, people of one name and birth date are not told apart.",
        ),
    )
    config: type[BaseModel] = ReportsConfig
    mappings: Traversable = files("gateway_mappings") / "reports"
    shape = Shape(form=form, origins=origins)

    def recognize(self, head: bytes) -> bool:
        """A file with headers that only one of these systems writes."""
        return is_report(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per row."""
        return cut(whole(chunks), cast("ReportsConfig", config))

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one column."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a row to patches."""
        del config  # what a row means stands in its context
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The drop folder, where one is set."""
        del name  # files name no source
        settings = cast("ReportsConfig", config)
        return [Dropped(settings, settings.folder)] if settings.folder is not None else []

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of uploads, where a token is set."""
        del name  # the address already led here
        return receiver(cast("ReportsConfig", config))


@hookimpl
def gateway_adapters() -> Sequence[ReportsAdapter]:
    """The adapter ``reports``."""
    return [ReportsAdapter()]
