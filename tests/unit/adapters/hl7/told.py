"""Messages by their segments, and what the adapter makes of them."""

from __future__ import annotations

from gateway.mapping import Mapping
from gateway_hl7.plugin import Hl7Adapter

ADAPTER = Hl7Adapter()
MAPPING = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
NORMALIZE = ADAPTER.normalizer(ADAPTER.config(), MAPPING)


def normalize(event: str, *segments: str):
    """The patches of one message of this event, with a header made for it."""
    msh = f"MSH|^~\\&|A|B|C|D|20260105080000-0600||{event}|1|P|2.5.1"
    return NORMALIZE("\r".join([msh, *segments]).encode(), b"")
