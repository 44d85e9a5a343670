"""Uploads: a person's program posts a file to ``/hooks/<source>/<file name>`` with a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import msgspec

from gateway.errors import RejectMessage, RetryLater
from gateway.model.exchange import HookRequest, HookResponse, Intake
from gateway.settings import Secret, resolve_secret

Bring = Callable[[Intake, bytes, str], Awaitable[tuple[int, int]]]
"""Stores what one file holds, by its name; how many messages and findings. ``RejectMessage`` when it is none."""


class Uploads:
    """Receives files as the bodies of POST requests; what follows the source's name in the address is a file name."""

    def __init__(self, token: str, bring: Bring) -> None:
        self._expected = f"Bearer {token}".encode()
        self._bring = bring

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """200 with counts once stored; 401, 405; 400, 413 or 422 with the reason; 503 while nothing can be stored."""
        shown = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(shown, self._expected):
            return HookResponse(status=401)
        if request.method != "POST":
            return HookResponse(status=405)
        try:
            messages, findings = await self._bring(intake, request.body, request.path)
        except RejectMessage as error:
            return HookResponse(status=error.http_status, body=f"{error.reason}: {error}\n".encode())
        except RetryLater as error:
            return HookResponse(status=error.http_status)
        answer = msgspec.json.encode({"rows": messages, "findings": findings})
        return HookResponse(status=200, body=answer, content_type="application/json")


def uploads(token: Secret | None, bring: Bring) -> Uploads | None:
    """The receiver, where a token is set."""
    return Uploads(resolve_secret(token), bring) if token is not None else None
