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
from gateway.wire import x12_loop
from gateway.wire.x12_835_cut import cut, is_835
from gateway_x12.config import X12Config
from gateway_x12.translate import normalizer
from gateway_x12.transport import transports

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class X12Adapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="x12",
        version=__version__,
        api=API_VERSION,
        summary="X12 005010 files: 835 remittance advice, balanced at line, claim and transaction level.",
        streams=(Stream(name="835", types=("Remittance", "ClaimPayment", "Patient", "Payer"), mode="file"),),
        gaps=(
            "Transaction sets other than 835 are reported and left out.",
            "A patient is known by member number and name only: no birth date, address or contact.",
            "Patients without a member number are known by their claim only.",
            "Provider summaries (TS2, TS3) and corrected names (NM1*74) are kept as sent and not translated.",
        ),
    )
    config: type[BaseModel] = X12Config
    mappings: Traversable = files("gateway_mappings") / "x12"

    def recognize(self, head: bytes) -> bool:
        """A file that holds an interchange and does not say that it is about something other than remittances."""
        return is_835(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per claim and one per remittance."""
        return cut(chunks, cast("X12Config", config).max_claim_bytes)

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one element, in the words of the implementation guides."""
        return x12_loop.path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a claim or remittance to patches."""
        del config  # nothing about a message's meaning is configured
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The drop folder, when the source has one."""
        del name  # a folder needs no name
        return transports(cast("X12Config", config))


@hookimpl
def gateway_adapters() -> Sequence[X12Adapter]:
    """The adapter ``x12``."""
    return [X12Adapter()]
