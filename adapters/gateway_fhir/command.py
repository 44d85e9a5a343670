"""``gateway fhir``: validate files, show what a server offers, print the key to register, and be told what changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from yarl import URL

from gateway.command_line import JsonOption, as_json, chunks, tell
from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Finding
from gateway_fhir.command_subscribe import subscribe, subscriptions, unsubscribe
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_file import cut

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="FHIR: validate, discover, jwks, and be told what changes."
)
app.command()(subscribe)
app.command()(subscriptions)
app.command()(unsubscribe)


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="JSON or NDJSON.")],
    json_: JsonOption = False,
) -> None:
    """Check every resource of the files against FHIR R4 with fhir.resources; places are shown, never values."""
    wrong = total = 0
    faults = []
    for path in files:
        for where, found in _checked(path):
            total += 1
            wrong += bool(found)
            for one in found:
                faults.append({"file": path.name, "resource": where, "where": one.where, "reason": one.reason})
                if not json_:
                    typer.echo(f"{path.name} {where}: {one.where}: {one.what} ({one.reason})")
    fact = {"resources": total, "invalid": wrong, "findings": faults}
    tell(fact, f"{total} resources, {wrong} of them not valid", json_=json_)
    if wrong:
        raise typer.Exit(1)


def _checked(path: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Each resource of a file by its ordinal, with what is wrong about it."""
    from gateway_fhir.strict import check

    if not path.stat().st_size:
        return  # an export's file of a type that has no resources
    for number, part in enumerate(cut(chunks(path), FhirConfig.model_validate({})), 1):
        if isinstance(part, Finding):
            yield f"#{number}", [part]
        else:
            yield f"#{number} {part.kind}", check(part.body)


@app.command()
def discover(
    base_url: Annotated[str, typer.Argument(help="Base address of the server.")],
    allow_private: Annotated[bool, typer.Option(help="It stands in the house's own network (10.x, a VPN).")] = False,
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM file of the authorities to trust instead of the system's.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show how each resource type of a server would be read, and why the others cannot be."""
    from gateway.transport.smart import tls
    from gateway_fhir.transport_client import client
    from gateway_fhir.transport_discovery import discover as ask

    given = {"base_url": base_url, "allow_private": allow_private, "ca_file": ca_file}
    try:
        config = FhirConfig.model_validate({**given, "client_id": "-", "private_key": "env:UNUSED"})
    except ValidationError:
        raise InvalidConfiguration(
            "This is no address of a server that can be asked", where="base_url",
            fix="Write https://host/path; plain http is for a simulator on this machine only.",
        ) from None  # fmt: skip

    async def run() -> None:
        async with client([str(URL(base_url).origin())], config, context=tls(config)) as http:
            found = await ask(http, config)
        if json_:
            missing = dict(found.missing)
            fact = {"search": found.search, "export": found.export, "missing": missing}
            as_json(fact | {"offers_export": found.offers_export})
            return
        unused = "offered, and not needed (stay_current = bulk takes it)" if found.offers_export else "none"
        typer.echo(f"search by _lastUpdated: {', '.join(found.search) or 'none'}")
        typer.echo(f"bulk export: {', '.join(found.export) or unused}")
        for type, why in found.missing.items():
            typer.echo(f"missing: {type}: {why}")

    asyncio.run(run())


@app.command()
def jwks(
    private_key: Annotated[str, typer.Argument(help="Reference to the private key: env:NAME or file:path.")],
    key_id: Annotated[str, typer.Option(help="kid to publish; the key's thumbprint if not given.")] = "",
    json_: JsonOption = False,
) -> None:
    """Print the public half of our key as the JWK set that a server's operator registers."""
    from gateway.settings import resolve_secret
    from gateway.transport.smart import SigningKey

    made = SigningKey(resolve_secret(private_key), key_id or None).jwks()
    tell(made, json.dumps(made, indent=2), json_=json_)
