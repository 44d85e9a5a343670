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
from gateway.wire.x12_cut import cut, is_x12
from gateway_x12.config import X12Config
from gateway_x12.translate import normalizer
from gateway_x12.transport import transports

if TYPE_CHECKING:
    import typer

    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class X12Adapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="x12",
        version=__version__,
        docs="docs/how-to/x12.md",
        api=API_VERSION,
        summary="X12 004010 and 005010 files: 835, 837, 271, 278, 277, 277CA, 999, 997 and TA1.",
        streams=(
            Stream(name="835", types=("Remittance", "ClaimPayment", "Patient", "Payer"), mode="file"),
            Stream(name="837", types=("Claim", "Patient", "Coverage", "Payer"), mode="file"),
            Stream(name="271", types=("Benefit", "Patient", "Coverage", "Payer"), mode="file"),
            Stream(name="278", types=("Authorization", "Patient"), mode="file"),
            Stream(name="277, 277CA, 999, 997, TA1", types=("ClaimStatusReport",), mode="file"),
            Stream(name="acknowledgements owed", types=("Submission",), mode="file"),
        ),
        gaps=(
            "Questions (270, 276) are kept and make no record; other sets (820, 834) are reported and left out.",
            "A patient is known by payer and member number; remittances and claims name payers by different numbers.",
            "Patients without a member number are known by their claim or trace number only.",
            "Other payers' part of a submitted claim (2320) is kept and not translated.",
            "A 999 or TA1 names control numbers, not claims: the claims are those sent under these numbers.",
        ),
    )
    config: type[BaseModel] = X12Config
    mappings: Traversable = files("gateway_mappings") / "x12"

    def recognize(self, head: bytes) -> bool:
        """A file that holds an interchange of a kind that is read, as far as its beginning shows."""
        return is_x12(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per claim, patient, review or acknowledgement, and one per remittance."""
        settings = cast("X12Config", config)
        return cut(chunks, settings.max_claim_bytes, settings.acknowledge)

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one element, in the words of the implementation guides."""
        return x12_loop.path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a message to patches."""
        del config  # nothing about a message's meaning is configured
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The drop folder and the mailbox, as far as the source has them."""
        return transports(name, cast("X12Config", config))


@hookimpl
def gateway_commands() -> Sequence[typer.Typer]:
    """The commands ``x12 validate``, ``show`` and ``split``."""
    from gateway_x12.command import app  # asks for this module's adapter

    return (app,)


@hookimpl
def gateway_adapters() -> Sequence[X12Adapter]:
    """The adapter ``x12``."""
    return [X12Adapter()]
