"""The pages of the console: files that are the same for everybody, and may speak to their own port alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from fastapi import APIRouter, Response

PAGES: Mapping[str, tuple[str, str]] = {
    "/passkeys": ("passkeys.html", "text/html"),
    "/passkeys.js": ("passkeys.js", "text/javascript"),
    "/console.css": ("console.css", "text/css"),
}
"""Path -> file of ``gateway.console`` and its media type. Nothing in them is anybody's, so nobody must be signed in."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""No script, style or address from elsewhere, none written into a page, and no text that is made into one."""


def pages() -> APIRouter:
    """The routes of the pages."""
    router = APIRouter()
    for path, (name, kind) in PAGES.items():
        _add(router, path, files("gateway.console").joinpath(name).read_bytes(), kind)
    return router


def _add(router: APIRouter, path: str, content: bytes, kind: str) -> None:
    @router.get(path)
    async def page() -> Response:
        return Response(content, media_type=kind, headers={"Content-Security-Policy": POLICY})
