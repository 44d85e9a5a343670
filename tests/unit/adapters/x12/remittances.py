"""What the tests beside this file share: the adapter with its own mapping, and files as records."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.mapping import Mapping
from gateway.model import TYPES
from gateway.model.exchange import Finding, Item
from gateway.model.identity import Ref
from gateway.model.patch import Normalized
from gateway_x12.config import X12Config
from gateway_x12.plugin import X12Adapter

ADAPTER = X12Adapter()
CONFIG = X12Config()
NORMALIZE = ADAPTER.normalizer(CONFIG, Mapping.load(ADAPTER.mappings, None, ADAPTER.path))

ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260714*0930*^*00501*000000101*0*T*:~"
HEADER = (
    "BPR*I*{paid}*C*ACH************20260714~TRN*1*TRACE1*1999999999~DTM*405*20260713~N1*PR*SOME PLAN~"
    "N1*PE*SOME CLINIC*XX*1234567893~LX*1~"
)


def interchange(body: str, *, paid: str = "0") -> bytes:
    """One transaction with the given claims and provider adjustments, envelope counts right."""
    inside = HEADER.format(paid=paid) + body
    count = inside.count("~") + 2
    return (
        f"{ISA}GS*HP*SENDER*RECEIVER*20260714*0930*7*X*005010X221A1~ST*835*0001~{inside}SE*{count}*0001~GE*1*7~"
        "IEA*1*000000101~"
    ).encode()


def cut(data: bytes, size: int = 64 * 1024, config: X12Config = CONFIG) -> tuple[list[Item], list[Finding]]:
    """A file's messages and findings."""
    parts = list(ADAPTER.cut((data[at : at + size] for at in range(0, len(data), size)), config))
    return [one for one in parts if isinstance(one, Item)], [one for one in parts if isinstance(one, Finding)]


def records(normalized: Normalized) -> dict[str, Any]:
    """Patches as validated records by type, references as native ids."""
    return {patch.type: msgspec.convert(plain(patch.fields), TYPES[patch.type]) for patch in normalized.patches}


def read(data: bytes) -> tuple[list[Any], list[Any]]:
    """A file's remittances and claim payments."""
    made = [records(NORMALIZE(item.body, item.context)) for item in cut(data)[0]]
    return [one["Remittance"] for one in made if "Remittance" in one], [
        one["ClaimPayment"] for one in made if "ClaimPayment" in one
    ]


def plain(value: Any) -> Any:
    """A patch value with native ids in place of references."""
    if isinstance(value, Ref):
        return value.native_id
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value
