"""Sealing and opening a message: a fresh data key each time, bound to its place, opened under a committed entry."""

from __future__ import annotations

from benchmarks import corpus, house
from benchmarks.report import Section
from benchmarks.timing import per_second
from gateway.vault import Place


def measure(scale: float) -> Section:
    """On one core, with messages of the corpus."""
    count = int(5000 * scale)
    messages = corpus.schedule(count)
    places = [Place(house.TENANT, "messages", "box", number.to_bytes(8, "big")) for number in range(count)]
    with house.scratch() as folder, house.opened(folder) as gateway:
        vault, audit = gateway.vault, gateway.audit
        key = vault.intake_key(house.TENANT)
        other = vault.keystore.key(house.TENANT, "tenant")
        pairs = list(zip(places, messages, strict=True))
        seal = per_second(lambda: len([vault.seal(key, place, body) for place, body in pairs]), 5)
        sealed = [(place, vault.seal(key, place, body)) for place, body in pairs]
        move = per_second(
            lambda: len([vault.rewrap((one.key_id, one.wrapped), place, other) for place, one in sealed]), 5
        )
        entry = audit.entry(
            house.TENANT, action="access", actor="bench", purpose="measure", messages=list(range(count))
        )
        gateway.store.write_sync(lambda connection: audit.append(connection, entry))
        with audit.grant(entry) as grant:
            look = per_second(lambda: len([vault.open(grant, place, one) for place, one in sealed]), 5)
    return Section(
        "vault",
        "Vault, one core",
        [
            {"work": "seal a message (fresh AES-256-GCM key, wrapped, bound to its place)", "per s": seal},
            {"work": "open it under a committed access entry", "per s": look},
            {"work": "move its data key to another key", "per s": move},
        ],
    )
