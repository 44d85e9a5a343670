"""835 and 837P bytes to canonical claims, on one core, beside libraries that parse or read contexts."""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import claims, corpus, house, peers
from benchmarks.report import Asked, Section
from benchmarks.timing import SideBySide, timed
from gateway.bootstrap import Gateway
from gateway.flow.link import link
from gateway.flow.merge import Current, fold_message
from gateway.model.exchange import Finding

OURS, PYX12 = "emr-gateway: cut, map, link, fold, balance", "pyx12 context reader"
SUBMITTED = "emr-gateway: cut, map, link, fold"
ROUNDS = 5
CHUNK = 64 * 1024


def chunks(path: Path) -> Iterator[bytes]:
    """A file in pieces of 64 KiB."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def changes(gateway: Gateway, pieces: Iterable[bytes]) -> Iterator[Current]:
    """Cut, normalize, link and fold every message; every record that came of it, keeping none."""
    source, vault, tenant = gateway.sources[house.TENANT, house.PAYER], gateway.vault, house.TENANT
    for item in source.adapter.cut(pieces, source.config):
        if isinstance(item, Finding):
            raise RuntimeError(f"not read: {item.reason}")  # noqa: TRY004 - a broken run, whatever was found
        patches = [
            link(patch, lambda kind, native: vault.record_id(tenant, house.PAYER, kind, native))
            for patch in source.normalize(item.body, item.context).patches
        ]
        folded, _ = fold_message(patches, {}, lambda data: vault.digest(tenant, data))
        yield from (change.current for change in folded.changes)


def canonical(gateway: Gateway, pieces: Iterable[bytes]) -> int:
    """Every claim of an 835, balanced; how many these were."""
    claims = remittances = 0
    for made in changes(gateway, pieces):
        if made.type == "ClaimPayment":
            claims += 1
        elif made.type == "Remittance":
            remittances += 1
            if (made.fields or {}).get("balanced") is not True:
                raise RuntimeError("the remittance does not balance")
    if remittances != 1:
        raise RuntimeError("the remittance is missing")
    return claims


def ingested(gateway: Gateway, pieces: Iterable[bytes]) -> int:
    """Every claim of an 837P; how many these were."""
    return sum(made.type == "Claim" for made in changes(gateway, pieces))


def context_reader(text: str, loop: str = "2100") -> float:
    """Claims a second of pyx12's context reader, its maps already loaded; ``loop`` is the claim's."""
    from pyx12.error_handler import errh_null
    from pyx12.params import params
    from pyx12.x12context import X12ContextReader

    reader = X12ContextReader(params(), errh_null(), io.StringIO(text))
    begin, claims = 0.0, 0
    for node in reader.iter_segments(loop):
        begin = begin or time.process_time()
        claims += node.id == loop
    return (claims - 1) / (time.process_time() - begin)


def measure(scale: float) -> Section:
    """Everyone on the same file; pyx12 on the beginning of it, made whole."""
    with house.scratch() as folder, house.opened(folder) as gateway:
        path, count = folder / "claims.835", int(10_000 * scale)
        corpus.write_remittance(path, count)
        size = path.stat().st_size
        if canonical(gateway, chunks(path)) != count:
            raise RuntimeError("a claim is missing")
        small = b"".join(corpus.remittance(int(500 * scale))).decode()
        works = {OURS: timed(lambda: canonical(gateway, chunks(path))), PYX12: lambda: context_reader(small)}
        works |= {name: partial(peers.claims_per_second, name, path) for name in peers.REMITTANCE}
        found = SideBySide(works, ROUNDS)
    ours, context, parser = found.rate(OURS), found.ratio(PYX12), found.ratio("edi-835-parser")
    return Section(
        "835",
        "835 to balanced canonical claims, one core, streamed",
        [
            {
                "who": name,
                "claims/s": found.rate(name),
                "MB/s": found.rate(name) * size / count / 1e6,
                "ours is faster by": "" if name == OURS else f"{found.ratio(name):.2f}x",
            }
            for name in found.names
        ],
        [
            Asked("835 to balanced canonical, over pyx12's context reader", "45x", f"{context:.1f}x", context >= 45),
            Asked("835 to balanced canonical, over edi-835-parser", "1.7x", f"{parser:.2f}x", parser >= 1.7),
            Asked("835 to balanced canonical", "about 12,000 claims/s", f"{ours:,.0f} claims/s", ours >= 12_000),
        ],
        [
            (
                f"{count:,} claims of three or four lines, {size / count:,.0f} bytes each."
                " edi-835-parser and x12-edi-tools take the first reason of each CAS segment and drop the others;"
                " neither balances anything."
            )
        ],
    )


def measure_submitted(scale: float) -> Section:
    """The same for claims as submitted: 837P to canonical claims, patients, policies and payers."""
    with house.scratch() as folder, house.opened(folder) as gateway:
        path, count = folder / "claims.837", int(10_000 * scale)
        path.write_bytes(b"".join(claims.submitted(count)))
        if ingested(gateway, chunks(path)) != count:
            raise RuntimeError("a claim is missing")
        small = b"".join(claims.submitted(int(500 * scale))).decode()
        found = SideBySide(
            {SUBMITTED: timed(lambda: ingested(gateway, chunks(path))), PYX12: lambda: context_reader(small, "2300")},
            ROUNDS,
        )
    context = found.ratio(PYX12)
    rows = [
        {
            "who": name,
            "claims/s": found.rate(name),
            "ours is faster by": "" if name == SUBMITTED else f"{found.ratio(name):.2f}x",
        }
        for name in found.names
    ]
    asked = Asked("837P to canonical, over pyx12's context reader", "40x", f"{context:.1f}x", context >= 40)
    notes = f"{count:,} claims of two to four lines, each with its subscriber, policy and payer."
    return Section("837", "837P to canonical claims, one core, streamed", rows, [asked], [notes])


def measure_million(scale: float) -> Section:
    """The streaming path over a file of a million claims, in a process of its own."""
    count = int(1_000_000 * scale)
    with house.scratch() as folder:
        path = folder / "million.835"
        corpus.write_remittance(path, count)
        size = path.stat().st_size
        done = subprocess.run(
            peers.program("benchmarks.million", path, folder / "house"), capture_output=True, text=True, check=True
        )
    found = json.loads(done.stdout)
    if found["claims"] != count:
        raise RuntimeError("a claim is missing")
    memory = found["resident_mb"]
    return Section(
        "million",
        f"835 of {count:,} claims",
        [
            {
                "claims": count, "file MB": size / 1e6, "seconds": found["seconds"],
                "claims/s": count / found["seconds"], "resident MB before": found["resident_before_mb"],
                "resident MB at most": memory,
            }
        ],
        [Asked(f"835 of {count:,} claims: resident memory", "under 200 MB", f"{memory:.0f} MB", memory < 200)],
    )  # fmt: skip
