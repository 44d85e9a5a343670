"""Certify every installed adapter and write reports and table: ``python -m gateway.testing.conformance_docs docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from gateway.registry import Registry
from gateway.testing.conformance import Certificate
from gateway.testing.conformance_report import report, table
from gateway.testing.conformance_subject import find_subject
from gateway.testing.conformance_suite import certify


def main(docs: Path, names: list[str]) -> int:
    """Write ``certified/<adapter>.json`` and ``reference/adapters.md``; 1 when a report and a quality table differ.

    Args:
        docs: the folder of the docs.
        names: only these adapters are judged anew; all when empty.
    """
    wrong = 0
    (docs / "certified").mkdir(exist_ok=True)
    for name in names or sorted(Registry.load(None).adapters):
        certificate = certify(find_subject(name))
        (docs / "certified" / f"{name}.json").write_text(report(certificate, None), "utf-8")
        sys.stdout.write(f"{name}: {certificate.tier} {'; '.join(certificate.disagreements)}\n")
        wrong += bool(certificate.disagreements)
    found = [read_report(file) for file in sorted((docs / "certified").glob("*.json"))]
    (docs / "reference" / "adapters.md").write_text(table(found), "utf-8")
    return min(wrong, 1)


def read_report(file: Path) -> Certificate:
    """The certificate of a committed report, which need not be signed."""
    return msgspec.convert(msgspec.json.decode(file.read_bytes())["certificate"], Certificate)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
