"""A configured source, ready to run: its adapter, settings and compiled mapping in one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from gateway.hookspecs import Adapter
from gateway.mapping import Mapping
from gateway.model.patch import Normalized


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

    @classmethod
    def bind(cls, tenant: str, name: str, adapter: Adapter, config: BaseModel, mapping: Mapping) -> Source:
        """Compile the adapter's normalizer for this source."""
        return cls(
            tenant=tenant,
            name=name,
            adapter=adapter,
            config=config,
            mapping=mapping,
            normalize=adapter.normalizer(config, mapping),
            label=f"{adapter.info.name}/{adapter.info.version}",
            mapping_hash=bytes.fromhex(mapping.version),
        )
