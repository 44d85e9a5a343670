"""The command ``jane``: a clinic's consent, given in the browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer
from aiohttp import web
from yarl import URL

from gateway.command_line import DEFAULT_CONFIG, ConfigOption, JsonOption, source_settings, tell
from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.transport.http import HttpClient
from gateway.wire.json_decoder import decoder
from gateway_jane.config import JaneConfig
from gateway_jane.transport_api import VERSION, api_client, identity_client
from gateway_jane.transport_hooks import TOPICS
from gateway_jane.transport_tokens import Identity, Kept, TokenFile, Webhook, granted

SCOPES = "patients:read appointments:read locations:read staff_members:read treatments:read companies:read"
HOOK_SCOPES = "webhooks:read webhooks:create webhooks:delete"
PATIENCE = 600.0
_THANKS = "Thank you. You may close this page: where the command runs it says whether the clinic is connected."
_NOTHING = "Nothing was agreed to, and nothing is kept. You may close this page."
_REFUSALS = frozenset(("invalid_request", "invalid_scope", "server_error", "temporarily_unavailable",
                       "unauthorized_client", "unsupported_response_type"))  # fmt: skip
"""Errors of RFC 6749, section 4.1.2.1, that are not the answer of a person."""

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Connections to Jane clinics.")


@app.callback()
def jane() -> None:
    """Connections to Jane clinics."""


@app.command()
def connect(
    source: Annotated[str, typer.Argument(help="Name of the source in gateway.toml.")],
    config: ConfigOption = DEFAULT_CONFIG,
    public_url: Annotated[
        str, typer.Option(help="Public https address of this gateway, to register webhooks with the clinic.")
    ] = "",
    json_: JsonOption = False,
) -> None:
    """Print an address to open in a browser; once someone of the clinic agrees there, keep the consent."""
    part = source_settings(config, source, JaneConfig)
    target = f"{public_url.rstrip('/')}/hooks/{source}" if public_url else ""
    asyncio.run(consent(part, target, lambda invite: typer.echo(invite, err=json_)))
    fact = {"source": source, "connected": True, "token_file": str(part.token_file)}
    tell(fact, f"{source} is connected; its consent is kept in {part.token_file.name}.", json_=json_)


async def consent(config: JaneConfig, target: str, tell: Callable[[str], None]) -> Kept:
    """Walk through the consent and keep it; with ``target`` register webhooks there.

    Raises:
        InvalidConfiguration: settings lack the clinic or the client.
        SourceUnavailable: nobody agreed in time, the consent is for another clinic, or the provider refused the code.
    """
    if config.clinic is None or config.client_id is None:
        raise InvalidConfiguration("Connecting needs clinic and client_id", where="config", fix="Set both.")
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    redirect = f"http://127.0.0.1:{config.redirect_port}/connected"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    async with identity_client(config) as outside:
        identity = Identity(config, outside)
        asked = {
            "response_type": "code", "client_id": config.client_id, "redirect_uri": redirect, "state": state,
            "scope": f"{SCOPES} {HOOK_SCOPES}" if target else SCOPES, "code_challenge": challenge,
            "code_challenge_method": "S256", "resource": config.clinic, "prompt": "consent",
        }  # fmt: skip
        address = identity.authorize.with_query(asked)
        invite = f"Open this address and agree as staff of the clinic:\n{address}"
        code = await _code(config.redirect_port, state, lambda: tell(invite))
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        answered = await identity.token(form)
        if answered is None or not answered.refresh_token:
            raise SourceUnavailable("The identity provider refused the consent", where="token", fix="Connect again.")
        file = TokenFile(config.token_file)
        async with file.alone():
            file.write(kept := granted(answered, config.clinic, time.time()))
        if target:
            async with api_client(config, outside) as client:
                hooks = tuple([await _registered(client, config.clinic, topic, target) for topic in TOPICS])
            async with file.alone():
                file.write(kept := msgspec.structs.replace(file.read(), webhooks=hooks))
    return kept


async def _code(port: int, state: str, opened: Callable[[], None]) -> str:
    """The code that the browser brings back to this machine; another state is not ours."""
    found: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()

    async def answer(request: web.Request) -> web.Response:
        given = request.query.get("state", "")
        if not secrets.compare_digest(given.encode(), state.encode()):
            return web.Response(text="This is not the consent that was asked for.", status=400)
        code = request.query.get("code", "")
        if not found.done():
            found.set_result((code, request.query.get("error", "")))
        return web.Response(text=_THANKS if code else _NOTHING)

    application = web.Application()
    application.router.add_get("/connected", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        opened()
        code, refusal = await asyncio.wait_for(found, PATIENCE)
    except TimeoutError:
        raise SourceUnavailable("Nobody agreed within ten minutes", where="consent", fix="Connect again.") from None
    except OSError:
        raise InvalidConfiguration(
            "The port for the browser's return is in use", where="redirect_port", fix="Set another free port."
        ) from None
    finally:
        await runner.cleanup()
    if refusal in _REFUSALS:
        fix = "Ask the vendor whether this client has these scopes and this redirect address."
        raise SourceUnavailable(f"The identity provider did not ask the clinic ({refusal})", where="consent", fix=fix)
    if not code:
        raise SourceUnavailable("The clinic did not agree", where="consent", fix="Ask them, then connect again.")
    return code


class _Registered(msgspec.Struct, frozen=True):
    id: str
    event_topic: str
    secret: str = ""


async def _registered(client: HttpClient, clinic: str, topic: str, target: str) -> Webhook:
    """Register one topic; one that is registered already is replaced, because its secret is not shown again."""
    url = URL(f"{clinic}{VERSION}/webhooks")
    body = msgspec.json.encode({"event_topic": topic, "target_url": target})
    answer = await client.request("POST", url, expect={201, 409}, json=body)
    if answer.status == 409:
        listed = await client.get(url, decoder(list[_Registered]))
        for known in listed:
            if known.event_topic == topic:
                await client.request("DELETE", url / known.id, expect={204, 404})
        answer = await client.request("POST", url, expect={201}, json=body)
    made = msgspec.json.decode(answer.body, type=_Registered)
    return Webhook(topic, made.id, made.secret)
