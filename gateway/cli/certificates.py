"""verify shred: whether a certificate of shredding is genuine, and still true here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.checkpoint import Verifier
from gateway.cli.printing import DEFAULT_CONFIG, ConfigOption, JsonOption, as_json, opened
from gateway.errors import IntegrityViolated
from gateway.flow.certificate import MOST_BYTES, Certificate, Standing, check_certificate, standing

Signers = Iterable[tuple[str, Ed25519PublicKey]]
"""Tenants with a key that signs for them."""


def shred(
    certificate: Annotated[Path, typer.Argument(help="The file that `gateway shred --certificate` wrote.")],
    config: ConfigOption = DEFAULT_CONFIG,
    key: Annotated[
        list[str] | None, typer.Option(help="Trust this verifier key (`gateway audit keys`) instead; needs no gateway.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Nothing left: whether a certificate of shredding is genuine, and the patient's keys are gone to this day.

    Exit code 1 when it is not genuine, or when a key that it names is back.
    """
    with certificate.open("rb") as file:
        text = file.read(MOST_BYTES)
    now: Standing | None = None
    if key:
        verifier = Verifier(key)
        one = _genuine(text, ((name, known) for name in _tenants(text) for known in verifier.keys_of(name)))
    else:
        with opened(config) as gateway:
            signers = [(name, gateway.vault.signing_key(name).public_key()) for name in gateway.tenants]
            one = _genuine(text, signers)
            now = None if one is None else standing(one, gateway.vault.keystore)
    if json_:
        as_json(
            {"genuine": one is not None, "certificate": one, "now": now, "holds": None if now is None else now.holds}
        )
    else:
        for line in _told(one, now):
            typer.echo(line)
    if one is None or (now is not None and not now.holds):
        raise typer.Exit(1)


def _tenants(text: bytes) -> list[str]:
    """Whom the certificate says it is of; the signature is to prove it."""
    try:
        return [msgspec.json.decode(text, type=Certificate).tenant]
    except msgspec.DecodeError:
        return []


def _genuine(text: bytes, signers: Signers) -> Certificate | None:
    """The certificate, if one of these signed it for its own tenant."""
    for tenant, known in signers:
        try:
            one = check_certificate(text, known)
        except IntegrityViolated:
            continue
        if one.tenant == tenant:
            return one
    return None


def _told(one: Certificate | None, now: Standing | None) -> Iterable[str]:
    if one is None:
        yield "Not genuine: the certificate was changed, or signed by another key."
        return
    yield f"Genuine: signed with the key of {one.tenant} at {one.at}."
    if one.late:
        yield "When it was written nothing was left to destroy: it names what an earlier shredding destroyed."
    yield (
        f"Patient {one.patient} was shredded by {one.actor} ({one.reason}):"
        f" {len(one.keys)} keys destroyed, {one.counts.get('changes', 0)} versions of records and"
        f" {one.counts.get('messages', 0)} messages can be opened no more."
    )
    if now is None:
        yield "Whether the keys are gone to this day, only the keystore of the gateway tells: ask there, without --key."
        return
    if now.keys_back:
        yield f"PROBLEM: keys that it names are in the keystore again: {', '.join(map(str, now.keys_back))}."
    if now.keys_since:
        yield f"PROBLEM: the patient has {now.keys_since} other keys."
    if not now.listed:
        yield "PROBLEM: the patient is not on the shred list."
    if now.holds:
        yield "It holds: none of the keys is in the keystore, and the patient is on the shred list."
    if now.intake_days_open:
        yield (
            f"Intake keys still open: {', '.join(now.intake_days_open)}; a backup of these days may hold a message of"
            " the patient that was not settled. Each key ends by itself once nothing rests on it."
        )
