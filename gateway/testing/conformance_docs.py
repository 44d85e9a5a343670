"""Certify every installed adapter and write reports and table: ``python -m gateway.testing.conformance_docs docs``."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.registry import Registry
from gateway.testing.conformance import Certificate
from gateway.testing.conformance_report import check_report, report, table
from gateway.testing.conformance_subject import find_subject
from gateway.testing.conformance_suite import certify

SEED = b"reports of the repository"
"""Anybody can make this key: it shows that no report was edited by hand, and says nothing of who ran the suite."""
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(SEED).digest())
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()


def main(docs: Path, names: list[str]) -> int:
    """Write ``certified/<adapter>.json`` and ``reference/adapters.md``; 1 when a report and a quality table differ.

    Args:
        docs: the folder of the docs.
        names: only these adapters are judged anew; all when empty.
    """
    wrong = 0
    (docs / "certified").mkdir(exist_ok=True)
    for name in names or shipped():
        certificate = certify(find_subject(name))
        (docs / "certified" / f"{name}.json").write_text(report(certificate, KEY), "utf-8")
        sys.stdout.write(f"{name}: {certificate.tier} {'; '.join(certificate.disagreements)}\n")
        wrong += bool(certificate.disagreements)
    found = [read_report(file) for file in sorted((docs / "certified").glob("*.json"))]
    (docs / "reference" / "adapters.md").write_text(table(found), "utf-8")
    return min(wrong, 1)


def shipped() -> list[str]:
    """The adapters that a quality table of their own makes subject to the scale."""
    found = [find_subject(name) for name in sorted(Registry.load(None).adapters)]
    return [subject.name for subject in found if "docs" in subject.quality]


def read_report(file: Path) -> Certificate:
    """The certificate of a committed report; ``IntegrityViolated`` when it was edited by hand."""
    return check_report(file.read_text("utf-8"), PUBLIC_KEY)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
