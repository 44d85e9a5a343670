"""HL7 SIU bytes to canonical appointment and patient, on one core, beside libraries that only parse."""

from __future__ import annotations

import hl7
from hl7apy.parser import parse_message

from benchmarks import corpus, house
from benchmarks.report import Asked, Section
from benchmarks.timing import SideBySide, timed
from gateway.bootstrap import Gateway
from gateway.flow.link import link
from gateway.flow.merge import fold_message

OURS, PYTHON_HL7, HL7APY = (
    "emr-gateway: parse, map, link, fold",
    "python-hl7 parse, nothing read",
    "hl7apy parse_message",
)
ROUNDS = 5


def canonical(gateway: Gateway, messages: list[bytes]) -> int:
    """Normalize, link and fold every message into records; how many messages that was."""
    source, vault, tenant = gateway.sources[house.TENANT, house.HOSPITAL], gateway.vault, house.TENANT
    records = 0
    for message in messages:
        patches = [
            link(patch, lambda kind, native: vault.record_id(tenant, house.HOSPITAL, kind, native))
            for patch in source.normalize(message, b"").patches
        ]
        folded, _ = fold_message(patches, {}, lambda data: vault.digest(tenant, data))
        records += len(folded.changes)
    if records < 2 * len(messages):
        raise RuntimeError("an appointment or a patient is missing")
    return len(messages)


def measure(scale: float) -> Section:
    """Everyone on the same messages; the slow ones on fewer of them."""
    messages = corpus.schedule(int(3000 * scale))
    few, fewer = messages[: int(300 * scale)], messages[: max(4, int(20 * scale))]

    def python_hl7() -> int:
        return sum(1 for one in few if hl7.parse(one.decode()))

    def hl7apy() -> int:
        return sum(1 for one in fewer if parse_message(one.decode()))

    with house.scratch() as folder, house.opened(folder) as gateway:
        canonical(gateway, messages[:200])
        works = {OURS: lambda: canonical(gateway, messages), PYTHON_HL7: python_hl7, HL7APY: hl7apy}
        found = SideBySide({name: timed(work) for name, work in works.items()}, ROUNDS)
    ours, over_hl7, over_hl7apy = found.rate(OURS), found.ratio(PYTHON_HL7), found.ratio(HL7APY)
    size = sum(map(len, messages)) / len(messages)
    return Section(
        "hl7",
        "HL7 SIU to canonical appointment and patient, one core",
        [
            {"who": OURS, "messages/s": ours, "ours is faster by": ""},
            {"who": PYTHON_HL7, "messages/s": found.rate(PYTHON_HL7), "ours is faster by": f"{over_hl7:.1f}x"},
            {"who": HL7APY, "messages/s": found.rate(HL7APY), "ours is faster by": f"{over_hl7apy:,.0f}x"},
        ],
        [
            Asked("HL7 SIU to canonical, over python-hl7", "20x", f"{over_hl7:.1f}x", over_hl7 >= 20),
            Asked("HL7 SIU to canonical, over hl7apy", "400x", f"{over_hl7apy:.0f}x", over_hl7apy >= 400),
            Asked("HL7 SIU to canonical", "about 9,000/s", f"{ours:,.0f}/s", ours >= 9000),
        ],
        [f"{len(messages):,} messages of {size:,.0f} bytes and 15 segments on average."],
    )
