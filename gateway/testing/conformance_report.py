"""Certificates on paper: a report that is the same each time, its signature, and the table in the docs."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.errors import IntegrityViolated, InvalidConfiguration
from gateway.testing.conformance import RECOVERS, RULES, TIERS, Certificate


def report(certificate: Certificate, key: Ed25519PrivateKey | None) -> str:
    """The certificate as JSON text, signed when a key is given. Ed25519 signs the same text the same way each time."""
    body = msgspec.to_builtins(certificate)
    whole: dict[str, Any] = {"certificate": body, "signature": None}
    if key is not None:
        whole["signature"] = {
            "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
            "ed25519": base64.b64encode(key.sign(_canonical(body))).decode(),
        }
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def check_report(text: str, public_key: str) -> Certificate:
    """The certificate of a report that was signed with this key (base64 of its 32 bytes).

    Raises:
        IntegrityViolated: it is not signed, signed by someone else, or was changed afterwards.
    """
    try:
        whole = json.loads(text)
        signature = whole["signature"]
        if signature["public_key"] != public_key:
            raise ValueError
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
        public.verify(base64.b64decode(signature["ed25519"]), _canonical(whole["certificate"]))
        return msgspec.convert(whole["certificate"], Certificate)
    except (ValueError, KeyError, TypeError, InvalidSignature):
        raise IntegrityViolated(
            "The report is not what this key signed", where="report", fix="Ask who signed it for another copy."
        ) from None


def _canonical(body: Any) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def private_key(path: Path) -> Ed25519PrivateKey:
    """The key of a file; ``InvalidConfiguration`` when it is not an Ed25519 private key in PEM."""
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise InvalidConfiguration(
            "This is no Ed25519 private key in PEM", where=path.name, fix="openssl genpkey -algorithm ed25519 -out KEY"
        )
    return found


def table(certificates: Sequence[Certificate]) -> str:
    """The Markdown page of all certificates, and of the rules they were judged by."""
    lines = [
        "# Certified adapters", "",
        "Made by `make certify` from `docs/certified/`, see [certify an adapter](../how-to/certify-an-adapter.md).", "",
        "| adapter | version | tier | passed | failed | not run | does not apply |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    ordered = sorted(certificates, key=lambda one: one.adapter)
    for one in ordered:
        count = Counter(result.state for result in one.results)
        states = (count[name] for name in ("passed", "failed", "not-run", "not-applicable"))
        lines.append(f"| {one.adapter} | {one.version} | {one.tier} | {' | '.join(str(number) for number in states)} |")
    lines += ["", "## The scale", "", "| tier | rule | what is asked |", "|---|---|---|"]
    scale = sorted((*RULES, RECOVERS), key=lambda rule: TIERS.index(rule.tier))
    lines += [f"| {rule.tier} | `{rule.name}` | {rule.promise} |" for rule in scale]
    for one in ordered:
        told = [result for result in one.results if result.state != "passed"]
        if told:
            lines += ["", f"## {one.adapter}", ""]
            lines += [f"- {result.rule}: {result.state.replace('-', ' ')}, {result.why}" for result in told]
    return "\n".join(lines) + "\n"
