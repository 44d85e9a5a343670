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
from gateway_bank.config import BankConfig
from gateway_bank.records import cut, path, recognize
from gateway_bank.translate import normalizer
from gateway_bank.transport import transports

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


class BankAdapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="bank",
        version=__version__,
        docs="docs/how-to/match-remittances-with-the-bank.md",
        api=API_VERSION,
        summary="Bank files: BAI2, ACH with CCD+ addenda, CSV exports.",
        streams=(Stream(name="lines", types=("BankTransaction",), mode="file"),),
        gaps=(
            "Balances, MT940 and camt.053 are not read.",
            "A deposit without a trace number in its text matches no remittance by itself.",
        ),
    )
    config: type[BaseModel] = BankConfig
    mappings: Traversable = files("gateway_mappings") / "bank"

    def recognize(self, head: bytes) -> bool:
        """A BAI2 or ACH file by its first record; a CSV export says nothing of itself."""
        return recognize(head)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message for each line of a statement."""
        del config  # columns are named by the file's first line
        return cut(chunks)

    def path(self, text: str) -> Callable[[object], Any]:
        """A reader of one field of a line."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a line to a bank transaction."""
        return normalizer(cast("BankConfig", config), mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The drop folder, when the source has one."""
        del name  # a folder needs no name
        return transports(cast("BankConfig", config))


@hookimpl
def gateway_adapters() -> Sequence[BankAdapter]:
    """The adapter ``bank``."""
    return [BankAdapter()]
