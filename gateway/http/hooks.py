"""Hooks in: what systems outside send to ``/hooks/<source>`` reaches that source's adapter and is stored."""

from __future__ import annotations

import asyncio

import structlog
from fastapi import APIRouter, Request, Response

from gateway.errors import GatewayError, RetryLater
from gateway.http.guard import METHODS
from gateway.http.house import House
from gateway.http.proxies import address_of
from gateway.model.exchange import HookRequest

HOOK_SECONDS = 30.0

log = structlog.get_logger(__name__)


def hooks(house: House) -> APIRouter:
    """The routes of ``/hooks``; a source whose adapter takes none is as unknown as one that does not exist."""
    router = APIRouter(include_in_schema=False)

    async def hook(request: Request, source: str, path: str = "") -> Response:
        found = house.hooks.get(source)
        if found is None:
            return Response("There is nothing here.", 404, media_type="text/plain")
        receiver, intake = found
        try:
            async with asyncio.timeout(HOOK_SECONDS):
                answer = await receiver.receive(await _request(request, house, path), intake)
        except GatewayError as error:
            log.warning("hook-refused", source=source, error=error.code, address=address_of(request))
            return _refused(error)
        except TimeoutError:
            return Response("It was not stored in time; send it again.", 503, {"Retry-After": "5"}, "text/plain")
        if answer.changed:
            house.ask_soon(source)
        return Response(answer.body, answer.status, media_type=answer.content_type)

    methods = sorted(METHODS)
    router.add_api_route("/hooks/{source}", hook, methods=methods)
    router.add_api_route("/hooks/{source}/{path:path}", hook, methods=methods)
    return router


async def _request(request: Request, house: House, path: str) -> HookRequest:
    query = request.url.query
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace")
    return HookRequest(
        method=request.method,
        path=path,
        query=query,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
        url=f"{house.url}{raw or request.url.path}" + (f"?{query}" if query else ""),
    )


def _refused(error: GatewayError) -> Response:
    """The sender learns whether to come again; what is wrong stays in our log."""
    headers = {}
    if isinstance(error, RetryLater):
        headers["Retry-After"] = str(int(error.after or 5))
    return Response(error.code, error.http_status, headers, "text/plain")
