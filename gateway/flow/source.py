"""A configured source, ready to run: its adapter, settings and compiled mapping in one value."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from gateway.errors import InvalidContent
from gateway.flow.absence import reading_absences
from gateway.flow.drift_reading import barred, tolerant
from gateway.hookspecs import Adapter
from gateway.mapping import Mapping
from gateway.model.form import Shaped, Validating
from gateway.model.patch import Normalized

Places = Dictionary[str, str]


class Origin(Protocol):
    """Whatever messages come from: a configured source, or a reactor whose derivations are messages too."""

    @property
    def tenant(self) -> str:
        """The tenant it belongs to."""

    @property
    def name(self) -> str:
        """Its name, unique in the tenant."""

    @property
    def normalize(self) -> Callable[[bytes, bytes], Normalized]:
        """What its messages mean; pure."""

    @property
    def label(self) -> str:
        """Name and version of the code behind ``normalize``."""

    @property
    def mapping_hash(self) -> bytes:
        """Hash of the kept text that, with the code, decides what a message means."""

    @property
    def foreign(self) -> bool:
        """Whether references and patients are told by the source's own ids; else they are record ids already."""


@dataclass(frozen=True)
class Source:
    """One system at one tenant.

    ``normalize`` is the adapter's pure function, bound to this source's settings and mapping; ``label`` names adapter
    and version, ``mapping_hash`` the mapping's text, so that both can be told apart in every record's provenance.
    """

    tenant: str
    name: str
    adapter: Adapter
    config: BaseModel
    mapping: Mapping
    normalize: Callable[[bytes, bytes], Normalized]
    label: str
    mapping_hash: bytes
    foreign: bool = True
    holding: bool = False
    """Whether a field that cannot be read is held while the rest of its record goes on."""

    @classmethod
    def bind(
        cls,
        tenant: str,
        name: str,
        adapter: Adapter,
        config: BaseModel,
        mapping: Mapping,
        *,
        holding: bool | None = False,
    ) -> Source:
        """Compile the adapter's normalizer for this source; ``holding`` None means where its form can be learnt."""
        holding = isinstance(adapter, Shaped) if holding is None else holding
        mapping = mapping.holding() if holding else mapping
        normalize = tolerant(adapter, config, mapping) if holding else adapter.normalizer(config, mapping)
        return cls(
            tenant=tenant,
            name=name,
            adapter=adapter,
            config=config,
            mapping=mapping,
            normalize=reading_absences(normalize),
            label=f"{adapter.info.name}/{adapter.info.version}",
            mapping_hash=bytes.fromhex(mapping.version),
            holding=holding,
        )

    def refused(self, error: InvalidContent, kind: str, body: bytes) -> InvalidContent:
        """What is told when a message's patches make no valid record: place and rule, and what its standard says."""
        placed = self.mapping.placed(error, kind)
        if not isinstance(self.adapter, Validating):
            return placed
        try:
            faults = self.adapter.faults(body)
        except Exception:  # noqa: BLE001 - the seam to an adapter: the refusal stands without its words
            return placed
        fix = " ".join(filter(None, (placed.fix, faults)))
        return InvalidContent(placed.reason, placed.what, where=placed.where, fix=fix)

    def barring(self, places: Places, words: Places) -> Callable[[bytes, bytes], Normalized]:
        """What its messages mean when some of their outermost places must not be read.

        Args:
            places: the reason why each must not be read.
            words: each reason in one sentence.
        """
        if not isinstance(self.adapter, Shaped):
            return self.normalize
        narrowed = barred(self.mapping, self.adapter.shape, places, words)
        return reading_absences(tolerant(self.adapter, self.config, narrowed))
