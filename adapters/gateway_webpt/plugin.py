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
from gateway_webpt.config import WebptConfig
from gateway_webpt.records import cut, is_table
from gateway_webpt.translate import normalizer, path
from gateway_webpt.translate_form import form, origins
from gateway_webpt.transport import receiver, transports

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class WebptAdapter:
    """One per process; every method takes the configured company as an argument."""

    info = AdapterInfo(
        name="webpt",
        version=__version__,
        docs="docs/how-to/connect-webpt.md",
        api=API_VERSION,
        summary="WebPT by its Standard Extract (nightly files by SFTP) and by report exports in CSV or Excel form.",
        streams=(
            Stream(
                name="standard-extract",
                types=(
                    "Appointment", "Authorization", "ChargeItem", "Coverage", "EpisodeOfCare", "Location", "Patient",
                    "PatientPayment", "Practitioner", "Visit",
                ),
                mode="poll",
            ),
            Stream(name="reports", types=("ChargeItem", "Patient", "PatientPayment", "Visit"), mode="file"),
        ),
        gaps=(
            "There is no public API: what happens today is seen in tonight's file.",
            "Appointments are known 14 days ahead and back only.",
            "A cancelled appointment is told by its absence or its inactive mark; the reason is there only sometimes.",
            "Columns of eleven tables are not documented: they are kept, and mapped where their names are recognized.",
            "RevFlow payments and adjustments are kept as messages and not translated.",
            "Reports know a patient by name only, never by the system's id.",
        ),
    )  # fmt: skip
    config: type[BaseModel] = WebptConfig
    mappings: Traversable = files("gateway_mappings") / "webpt"
    shape = Shape(form=form, origins=origins)

    def recognize(self, head: bytes) -> bool:
        """A file whose first row is the header of one of the tables or reports."""
        return is_table(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per row."""
        return cut(chunks, cast("WebptConfig", config))

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one column."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a row to patches."""
        del config  # what a row means stands in its context
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The mailbox and the drop folder, whichever is configured."""
        return transports(name, cast("WebptConfig", config))

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of uploads, where a token is set."""
        return receiver(name, cast("WebptConfig", config))


@hookimpl
def gateway_adapters() -> Sequence[WebptAdapter]:
    """The adapter ``webpt``."""
    return [WebptAdapter()]
