"""What comes in over HTTP: questions for our public keys, and notifications that a server sends.

Notifications are R4 rest-hook subscriptions, plain ones and those of the R4 backport. One with resources is stored
before it is answered. One without (``empty`` or ``id-only``) says only that something changed: polling brings it.
Delivery is not guaranteed, so the numbers of the events are watched, and a gap is kept as a finding; polling from its
own cursor closes it.
"""

from __future__ import annotations

import hmac

import msgspec

from gateway.errors import RetryLater
from gateway.model.exchange import Finding, HookReceiver, HookRequest, HookResponse, Intake, Item
from gateway.settings import resolve_secret
from gateway.wire.json_decoder import decoder
from gateway_fhir.config import FhirConfig
from gateway_fhir.records import Part, Reference
from gateway_fhir.records_bundle import cut_bundle, deletion, item, resource_type
from gateway_fhir.transport_jwks import PATH, PublishedKeys

_STREAM = "subscription"
_DONE = HookResponse(status=200)
_BAD = HookResponse(status=400, body=b"The body is no FHIR resource or notification Bundle in JSON.\n")


class _Parameter(Part, frozen=True, kw_only=True):
    name: str = ""
    value_code: str | None = None
    value_string: str | None = None
    value_reference: Reference | None = None


class _Status(Part, frozen=True, kw_only=True):
    """SubscriptionStatus of the R4 backport, which is a Parameters resource."""

    resource_type: str = ""
    parameter: tuple[_Parameter, ...] = ()

    def text(self, name: str) -> str:
        """One parameter's value as text."""
        for one in self.parameter:
            if one.name == name:
                reference = one.value_reference.reference if one.value_reference else None
                return one.value_code or one.value_string or reference or ""
        return ""


_status = decoder(_Status)
_numbers = decoder(dict[str, int])


class Notifications:
    """The receiver of one source."""

    def __init__(self, secret: str) -> None:
        self._expected = f"Bearer {secret}".encode()

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """401 without the secret, 400 for what cannot be read, 503 while the store cannot commit, 200 once stored."""
        shown = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(shown, self._expected):
            return HookResponse(status=401)
        if request.method not in ("POST", "PUT", "DELETE"):
            return HookResponse(status=405)
        try:
            return await self._stored(request, intake)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _BAD
        except RetryLater as error:
            return HookResponse(status=error.http_status)

    async def _stored(self, request: HookRequest, intake: Intake) -> HookResponse:
        if request.method == "DELETE":
            gone = deletion(request.path, request.path.encode(), request.headers.get("date", ""))
            return await _accepted(intake, [gone] if gone else [])
        if not request.body.strip():
            return _DONE  # a rest-hook without payload: polling brings what changed
        if resource_type(request.body) != "Bundle":
            return await _accepted(intake, [item(request.body)])
        found = cut_bundle(request.body)
        status = _first(found.bundle.entry[0].resource) if found.bundle.entry else None
        if status is None:
            return await _accepted(intake, found.items, found.findings)
        if status.text("type") in ("handshake", "heartbeat"):
            return _DONE
        return await self._event(status, found.items, found.findings, intake)

    async def _event(self, status: _Status, items: list[Item], findings: list[Finding], intake: Intake) -> HookResponse:
        """Store an event's resources together with its number, and say so when numbers are missing before it."""
        name, text = status.text("subscription"), status.text("eventsSinceSubscriptionStart")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
        cursor = await intake.cursor(_STREAM)
        seen = _numbers(cursor) if cursor else {}
        last = seen.get(name)
        if last is not None and number > last + 1:
            what = f"{number - last - 1} notifications of a subscription did not arrive"
            fix = "Polling brings what they told of; if the source is not polled, ask the server for $events."
            findings = [*findings, Finding(reason="missed-notifications", what=what, where="subscription", fix=fix)]
        seen[name] = max(number, last or 0)
        await intake.accept(items, stream=_STREAM, cursor=msgspec.json.encode(seen).decode(), findings=findings)
        return _DONE


def _first(resource: msgspec.Raw) -> _Status | None:
    """The status that begins a backport notification; None in any other Bundle."""
    found = _status(resource) if bytes(resource) else None
    return found if found is not None and found.resource_type == "Parameters" else None


async def _accepted(intake: Intake, items: list[Item], findings: list[Finding] | None = None) -> HookResponse:
    if items or findings:
        await intake.accept(items, stream=_STREAM, findings=findings or [])
    return _DONE


class Entrance:
    """What a source lets in over HTTP: notifications, where a secret is set, and questions for our public keys."""

    def __init__(self, notifications: Notifications | None, keys: PublishedKeys | None) -> None:
        self._notifications = notifications
        self._keys = keys

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """By the path; 404 for what this source does not offer."""
        if request.path == PATH and self._keys is not None:
            return await self._keys.receive(request, intake)
        if self._notifications is None:
            return HookResponse(status=404)
        return await self._notifications.receive(request, intake)


def receiver(name: str, config: FhirConfig) -> HookReceiver | None:
    """The receiver, where a secret for notifications or a key to publish is configured."""
    del name  # a receiver is mounted under the source's name by the core
    notifications = Notifications(resolve_secret(config.hook_secret)) if config.hook_secret is not None else None
    keys = PublishedKeys(config) if config.auth == "smart" and config.private_key is not None else None
    return None if notifications is None and keys is None else Entrance(notifications, keys)
