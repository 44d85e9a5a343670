"""Wiring: the adapter object that the gateway loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from gateway import __version__
from gateway.hookspecs import API_VERSION, hookimpl
from gateway.model.exchange import AdapterInfo, Finding, Item, Stream, Transport
from gateway.wire.hl7_path import compile_path
from gateway_hl7 import records
from gateway_hl7.config import Hl7Config
from gateway_hl7.translate import normalizer
from gateway_hl7.transport import transports

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class Hl7Adapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="hl7",
        version=__version__,
        api=API_VERSION,
        summary="HL7 v2.3 to 2.8 over MLLP and from files: schedules (SIU) and patients (ADT).",
        streams=(
            Stream(name="mllp", types=("Appointment", "Patient"), mode="push"),
            Stream(name="folder", types=("Appointment", "Patient"), mode="file"),
        ),
        gaps=(
            "Nothing can be asked for: what was sent while no one listened comes only if the sender kept it.",
            "Events other than SIU S12-S17, S26 and ADT A01, A04, A08, A31, A40 are stored and not translated.",
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


@hookimpl
def gateway_adapters() -> Sequence[Hl7Adapter]:
    """The adapter ``hl7``."""
    return [Hl7Adapter()]
