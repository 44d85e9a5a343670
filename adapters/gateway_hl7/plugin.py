"""Wiring: the adapter object that the gateway loads."""

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
from gateway.wire.hl7_path import compile_path
from gateway_hl7 import records
from gateway_hl7.command import app
from gateway_hl7.config import Hl7Config
from gateway_hl7.translate import normalizer
from gateway_hl7.transport import transports
from gateway_hl7.transport_http import HttpReceiver

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


_TYPES = (
    "Appointment", "Authorization", "Coverage", "Patient", "PatientPayment", "Payer", "Practitioner", "Referral",
    "Visit",
)  # fmt: skip


class Hl7Adapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="hl7",
        version=__version__,
        docs="docs/how-to/connect-hl7.md",
        api=API_VERSION,
        summary="HL7 v2.1 to 2.8 over MLLP, HTTP and from files: patients, schedules, charges, insurance, referrals.",
        streams=(
            Stream(name="mllp", types=_TYPES, mode="push"),
            Stream(name="http", types=_TYPES, mode="push"),
            Stream(name="folder", types=_TYPES, mode="file"),
        ),
        gaps=(
            "Nothing can be asked for: what was sent while no one listened comes only if the sender kept it.",
            "Events that its reference page does not list are stored and not translated.",
            "Procedures (PR1) have no units or amounts and are no charges; the text of notes (MDM) is not read.",
            "Practitioners and locations are known by their identifiers only.",
        ),
    )
    config: type[BaseModel] = Hl7Config
    mappings: Traversable = files("gateway_mappings") / "hl7"

    def recognize(self, head: bytes) -> bool:
        """A file that begins with a message or batch header."""
        return records.recognize(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per MSH; envelopes are checked and left behind."""
        return records.items(chunks, cast("Hl7Config", config).max_message_bytes)

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one place, as in ``PID-3[MR].1``."""
        return cast("Callable[[object], Any]", compile_path(text))

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a message to patches."""
        return normalizer(cast("Hl7Config", config), mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The MLLP listener and the drop folder, as far as they are configured."""
        return transports(name, cast("Hl7Config", config))

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """HL7 over HTTP, where it has a token."""
        del name  # the settings say all
        settings = cast("Hl7Config", config)
        return None if settings.http is None else HttpReceiver(settings, settings.http)


@hookimpl
def gateway_adapters() -> Sequence[Hl7Adapter]:
    """The adapter ``hl7``."""
    return [Hl7Adapter()]


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The command ``hl7``."""
    return (app,)
