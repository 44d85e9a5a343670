"""The command ``spry``: subscribe to the webhooks of an organisation."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from yarl import URL

from gateway.command_line import DEFAULT_CONFIG, ConfigOption, JsonOption, source_settings, tell
from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.model.exchange import RateBudget
from gateway.transport.http import HttpClient
from gateway_spry.config import SpryConfig
from gateway_spry.records import EVENTS, opened
from gateway_spry.transport_token import ClientToken

SUBSCRIPTIONS = "/api/v2/subscriptions"
API_VERSION = "2026-06-11"

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Connections to SPRY organisations.")


@app.callback()
def spry() -> None:
    """Connections to SPRY organisations."""


@app.command()
def subscribe(
    source: Annotated[str, typer.Argument(help="Name of the source in gateway.toml.")],
    public_url: Annotated[str, typer.Option(help="Public https address of this gateway.")],
    key_file: Annotated[Path, typer.Option(help="New file for the signature key, which is shown only once.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_: JsonOption = False,
) -> None:
    """Register all seven webhooks, and keep their signature key in a new file of mode 0600."""
    part = source_settings(config, source, SpryConfig)
    target = f"{public_url.rstrip('/')}/hooks/{source}"
    asyncio.run(subscribed(part, f"gateway {source}", target, key_file))
    sentence = f'{source} is subscribed. Set webhook_key = "file:{key_file}" in its config.'
    tell({"source": source, "subscribed": True, "key_file": str(key_file)}, sentence, json_=json_)


class _Subscription(msgspec.Struct, frozen=True):
    signature_key: str


async def subscribed(config: SpryConfig, name: str, target: str, key_file: Path) -> None:
    """Register, and write the key.

    Raises:
        InvalidConfiguration: the key file is there already: nothing is registered then.
        SourceUnavailable: the vendor refuses, or answers without a key.
    """
    try:
        handle = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InvalidConfiguration(
            f"The key file cannot be made: {error.strerror}", where="--key-file", fix="Name a new file."
        ) from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        try:
            file.write(await _registered(config, name, target))
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            key_file.unlink()
            raise


async def _registered(config: SpryConfig, name: str, target: str) -> str:
    base, budget = config.subscriptions_url or config.base_url, RateBudget(requests=10, seconds=60.0)
    asked = {"name": name, "event_types": EVENTS, "notification_url": target, "api_version": API_VERSION}
    async with HttpClient([config.base_url], budget=budget) as outside:
        token = ClientToken(config, outside)
        async with HttpClient([base], budget=budget, credential=token) as client:
            body = msgspec.json.encode(asked | {"is_active": True})
            answer = await client.request("POST", URL(f"{base}{SUBSCRIPTIONS}"), expect={200, 201}, json=body)
    try:
        return msgspec.json.decode(opened(answer.body), type=_Subscription).signature_key
    except msgspec.DecodeError:
        raise SourceUnavailable(
            "The vendor answered without a signature key", where="subscriptions", fix="Rotate the key at the vendor."
        ) from None
