"""The whole plugin contract. Hooks collect objects; the core runs them, each with its own retry, timeout and seam.

A plugin is a module named in the entry-point group ``gateway.plugins``. Its hooks return objects of the shapes below;
no base class is needed. Plugins get values and return values: they never see the store, the vault or another plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pluggy

from gateway.model.exchange import (
    AdapterInfo,
    Delivery,
    Derivation,
    Dispatch,
    Finding,
    HookReceiver,
    Item,
    Outcome,
    ReactorInfo,
    SignedHead,
    SinkInfo,
    Snapshot,
    Target,
    Transport,
)

if TYPE_CHECKING:
    import typer
    from pydantic import BaseModel

    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized

API_VERSION = 1
GROUP = "gateway.plugins"
hookspec = pluggy.HookspecMarker("gateway")
hookimpl = pluggy.HookimplMarker("gateway")


class Adapter(Protocol):
    """Speaks one system or standard: what its messages mean and, where it is ``form.Shaped``, how they look."""

    info: AdapterInfo
    config: type[BaseModel]
    mappings: Traversable

    def recognize(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` (up to 4 KiB) is this adapter's, by evidence in the bytes."""

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """Cut a file into messages in bounded memory; what cannot be read becomes a finding and the rest goes on."""

    def path(self, text: str) -> Callable[[object], object]:
        """Compile one ``from`` path of a mapping file into a reader of this adapter's source records."""

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """A pure function from (message bytes, context bytes) to patches."""

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """The listeners and pollers of one configured source."""


@runtime_checkable
class Hooked(Protocol):
    """What an adapter offers as well when its system sends to us over HTTP."""

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of one configured source, or None when it is set up to receive nothing."""


class OpenSink(Protocol):
    """One route's connection to a system outside."""

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Send the deliveries, one outcome each in order; must be safe to call again with the same dispatch."""

    async def probe(self, delivery: Delivery) -> Outcome:
        """Find out whether an ambiguous delivery happened; ``Retry`` when it did not."""

    async def close(self) -> None:
        """Let go of connections and files."""


class Sink(Protocol):
    """Delivers changes to one kind of system."""

    info: SinkInfo
    config: type[BaseModel]

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Connect one configured route."""


@runtime_checkable
class Subscribable(Protocol):
    """What a sink offers as well when it can serve clients that subscribe over HTTP."""

    def subscribe(self, route: str, target: Target) -> OpenSink:
        """Connect one subscription."""


class Reactor(Protocol):
    """Derives records, purely: of groups (a patient's visits, a claim and its payments) that a changed record is in."""

    info: ReactorInfo
    config: type[BaseModel]

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """Keys of the groups this record belongs to; none when it does not matter here."""

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """Everything that follows from the members of one group."""


class KeyProvider(Protocol):
    """Wraps and unwraps the few keys that everything else hangs on."""

    name: str
    config: type[BaseModel]

    def wrap(self, config: BaseModel, key: bytes, context: bytes) -> bytes:
        """Encrypt a key of the keystore, bound to ``context``."""

    def unwrap(self, config: BaseModel, wrapped: bytes, context: bytes) -> bytes:
        """The reverse; ``KeysUnavailable`` when the provider does not answer."""

    def create(self, config: BaseModel) -> None:
        """Make the root key where none is yet (``gateway init``)."""

    def weaknesses(self, config: BaseModel, data: Sequence[str]) -> Sequence[str]:
        """Reasons why production mode must refuse this set-up, given the folders that hold data."""


class OpenWitness(Protocol):
    """One place outside the database where signed heads of the audit log are kept."""

    async def keep(self, head: SignedHead) -> None:
        """Keep a head; ``RetryLater`` when it cannot be now, ``IntegrityViolated`` when it continues no kept one."""

    async def heads(self, origin: str) -> Sequence[str]:
        """The heads it has of one log, newest last; none when it is a place that cannot be asked."""


class Witness(Protocol):
    """Keeps heads where whoever rewrites the database cannot reach them."""

    name: str
    every: float
    config: type[BaseModel]

    def open(self, name: str, config: BaseModel) -> OpenWitness:
        """Set up one configured witness; ``every`` is the least number of seconds between two heads."""


@hookspec
def gateway_adapters() -> Sequence[Adapter]:  # type: ignore[empty-body]  # a pluggy specification has no body
    """Adapters this plugin offers."""


@hookspec
def gateway_sinks() -> Sequence[Sink]:  # type: ignore[empty-body]  # a pluggy specification has no body
    """Sinks this plugin offers."""


@hookspec
def gateway_reactors() -> Sequence[Reactor]:  # type: ignore[empty-body]  # a pluggy specification has no body
    """Reactors this plugin offers."""


@hookspec
def gateway_key_providers() -> Sequence[KeyProvider]:  # type: ignore[empty-body]  # a pluggy specification has no body
    """Key providers this plugin offers."""


@hookspec
def gateway_witnesses() -> Sequence[Witness]:  # type: ignore[empty-body]  # a pluggy specification has no body
    """Audit witnesses this plugin offers."""


@hookspec
def gateway_commands() -> Sequence[typer.Typer]:  # type: ignore[empty-body]  # a pluggy specification has no body
    """Command groups this plugin adds to ``gateway``."""
