"""keys status, keys rotate, keys bind, shred: keys and what they bind; everything done here is in the audit log."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.bootstrap import Gateway
from gateway.cli.printing import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    as_json,
    opened,
    record_bytes,
    table,
    tell,
    tenant_of,
)
from gateway.errors import InvalidConfiguration
from gateway.flow.bound_rows import bind_again
from gateway.flow.rewrap import rewrap_left, rewrap_stored
from gateway.store import sealed
from gateway.vault.rotation import Rotation

app = typer.Typer(no_args_is_help=True, help="How keys stand, and newer ones for old ones.")
SETTLE_SECONDS = 2.0
"""A serving process seals under a retired key for so long at most before it hears of the newer one."""
ROUNDS = 50


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG, json_: JsonOption = False) -> None:
    """What a rotation has left to do, by tenant; all nothing when none is under way."""
    with opened(config) as gateway:
        rotation = Rotation(gateway.vault.keystore)
        root = rotation.root_left()
        found = [_left(gateway, rotation, tenant) for tenant in gateway.tenants]
    if json_:
        as_json({"root_left": root, "tenants": found})
        return
    typer.echo(
        f"{root} tenant keys are not wrapped by the present root." if root else "The root wraps every tenant key."
    )
    table("Left to do", ("tenant", "keys", "patients", "values"), [list(one.values()) for one in found])


def _left(gateway: Gateway, rotation: Rotation, tenant: str) -> dict[str, Any]:
    return {
        "tenant": tenant, "keys_left": rotation.tenant_left(tenant), "patients_left": rotation.patients_left(tenant),
        "values_left": rewrap_left(gateway.store, gateway.vault, tenant),
    }  # fmt: skip


@app.command()
def rotate(
    config: ConfigOption = DEFAULT_CONFIG,
    root: Annotated[
        bool, typer.Option("--root", help="Wrap tenants' keys by the root that the settings name.")
    ] = False,
    tenant: Annotated[str, typer.Option("--tenant", help="Give this tenant a new key.")] = "",
    patients: Annotated[bool, typer.Option("--patients", help="Give every patient of the tenant a new key.")] = False,
    json_: JsonOption = False,
) -> None:
    """Replace keys while everything goes on; asked again after a crash, it goes on where it stood."""
    if root == bool(tenant or patients):
        raise InvalidConfiguration("Say which keys", fix="Give --root, or --tenant NAME, or --patients.")
    with opened(config) as gateway:
        rotation = Rotation(gateway.vault.keystore)
        if root:
            done: dict[str, Any] = {"tenant_keys": rotation.root()}
            for name in gateway.tenants:
                _audited(gateway, name, "root-rotated", done)
        else:
            done = _rotate(gateway, rotation, tenant_of(gateway, tenant), patients=patients)
    tell(done, ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in done.items()), json_=json_)


def _rotate(gateway: Gateway, rotation: Rotation, tenant: str, *, patients: bool) -> dict[str, int]:
    keys = 0
    if patients:
        rotation.begin_patients(tenant)
        step = partial(rotation.patients_step, tenant)
    else:
        rotation.begin_tenant(tenant)
        step = partial(rotation.tenant_step, tenant)
    while moved := step():
        keys += moved
    time.sleep(SETTLE_SECONDS)
    values = 0
    for _ in range(ROUNDS):
        moved = rewrap_stored(gateway.store, gateway.vault, tenant)
        values += moved
        if not moved:
            break
    done = {
        "keys_moved": keys,
        "values_moved": values,
        "values_left": rewrap_left(gateway.store, gateway.vault, tenant),
    }
    resting = gateway.store.read_sync(partial(sealed.resting, tenant=tenant))
    days = gateway.settings.keys.keep_retired_days
    done["keys_destroyed"] = rotation.destroy_retired(tenant, frozenset(resting), days)
    _audited(gateway, tenant, "patients-rotated" if patients else "tenant-rotated", done)
    return done


@app.command()
def bind(
    reason: Annotated[str, typer.Option(help="Why, in one word such as restored; it goes into the audit log.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Bind rows of PostgreSQL that have no MAC, as after a copy was restored that is older than MACs are.

    What stands in them is taken as it is. A row that has a wrong MAC is left as it is, for `verify ledger` to name.
    """
    with opened(config) as gateway:
        done = bind_again(gateway.store, gateway.audit, gateway.tenants, actor(), _word(reason))
    tell(
        {"bound": done}, ", ".join(f"{count} {name}" for name, count in done.items()) or "Nothing to bind.", json_=json_
    )


def _audited(gateway: Gateway, tenant: str, outcome: str, counts: dict[str, int]) -> None:
    entry = gateway.audit.entry(
        tenant, action="keys", actor=actor(), purpose="rotation", outcome=outcome, counts=counts
    )
    gateway.audit.commit(entry)


def shred(
    patient: Annotated[str, typer.Argument(help="Record id of the patient, or the source's own id with --source.")],
    reason: Annotated[str, typer.Option(help="Why, in one word such as patient-request; it goes into the audit log.")],
    config: ConfigOption = DEFAULT_CONFIG,
    tenant: TenantOption = "",
    source: Annotated[str, typer.Option(help="The source whose own id was given.")] = "",
    certificate: Annotated[
        Path | None, typer.Option(help="Where to write the certificate; printed if not given.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Destroy everything of one patient for good, in all backups too; prints or writes a signed certificate."""
    if certificate is not None and certificate.exists():
        raise InvalidConfiguration(
            "There is a file of this name, and an older certificate is proof",
            where="--certificate",
            fix="Name another.",
        )
    with opened(config) as gateway:
        name = tenant_of(gateway, tenant)
        record_id = gateway.vault.record_id(name, source, "Patient", patient) if source else patient
        made = gateway.shredder().shred(name, record_bytes(record_id), _word(reason), actor())
    text = msgspec.json.format(msgspec.json.encode(made)).decode() + "\n"
    if certificate is None:
        typer.echo(text, nl=False)
        return
    try:
        with certificate.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        typer.echo(text, nl=False)  # the keys it names are gone: no later certificate has their digests
        raise
    done = "No key was left to destroy; those that went before are named in" if made.late else "Shredded;"
    sentence = f"{done} the certificate {'' if made.late else 'is '}{certificate}."
    if made.intake_days_open:
        sentence += f"\nIntake keys still open: {', '.join(made.intake_days_open)}; each ends by itself a day later."
    tell(
        {"certificate": str(certificate), "destroyed_before": made.late, "intake_days_open": made.intake_days_open},
        sentence,
        json_=json_,
    )


def _word(reason: str) -> str:
    if not reason.replace("-", "").isalnum() or not reason.isascii() or len(reason) > 100:
        raise InvalidConfiguration("The reason is not one word", where="--reason", fix="Such as patient-request.")
    return reason
