"""What comes in over HTTP: questions for our public keys, and notifications that a server sends.

Notifications are R4 rest-hook subscriptions, plain ones and those of the R4 backport, and R4B's own. One with
resources is stored before it is answered. One without (``empty`` or ``id-only``) says only that something changed: the
server is asked soon. Delivery is not guaranteed, so the numbers of the events are watched, those of heartbeats too, and
a gap is kept as a finding; polling from its own cursor, soon, closes it.
"""

from __future__ import annotations

import hmac

import msgspec

from gateway.errors import RetryLater
from gateway.model.exchange import Finding, HookReceiver, HookRequest, HookResponse, Intake, Item
from gateway.settings import resolve_secret
from gateway_fhir.config import FhirConfig
from gateway_fhir.records_bundle import cut_bundle, deletion, item, resource_type
from gateway_fhir.records_notice import ENDED, MISSED, STREAM, WATCHED, Notice, notice, numbers
from gateway_fhir.records_subscription import watched
from gateway_fhir.transport_jwks import PATH, PublishedKeys

_DONE = HookResponse(status=200)
_ASK = HookResponse(status=200, changed=True)
_BRING_NOTHING = ("handshake", "heartbeat")
_GONE = "x-medplum-deleted-resource"
"""Names what was deleted where the body is an empty object, as Medplum's rest-hooks have it."""
_BAD = HookResponse(status=400, body=b"The body is no FHIR resource or notification Bundle in JSON.\n")
_LONGEST_NAME = 2000
_MOST_NUMBERS = 1000
"""Subscriptions whose numbers are kept, the newest: a server that names a new one each time fills no cursor."""


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
            return await _deleted(request, request.path, intake)
        if request.body.strip() in (b"", b"{}"):  # a rest-hook without payload: polling brings what changed
            gone = request.headers.get(_GONE, "")
            return await _deleted(request, gone, intake) if gone else _ASK
        if resource_type(request.body) != "Bundle":
            return await _accepted(intake, [item(request.body)])
        found = cut_bundle(request.body)
        told = notice(found.bundle.entry[0].resource) if found.bundle.entry else None
        if told is None:
            return await _accepted(intake, found.items, found.findings)
        return await self._told(told, found.items, found.findings, intake)

    async def _told(self, told: Notice, items: list[Item], findings: list[Finding], intake: Intake) -> HookResponse:
        """Store what a notification brings together with its number, and say so when numbers are missing before it."""
        if len(told.subscription) > _LONGEST_NAME:
            return _BAD
        cursor = await intake.cursor(STREAM)
        seen = numbers(cursor) if cursor else {}
        last = seen.get(told.subscription)
        brings = told.kind not in _BRING_NOTHING
        findings = [*findings, *_ended(told)]
        missing = 0 if last is None or told.kind == "handshake" else told.last - last
        if brings and last is not None:
            missing = told.first - last - 1
        if missing > 0:
            what = f"{missing} notifications of a subscription did not arrive"
            fix = "Polling brings what they told of; where the server keeps past events it is asked for them too."
            findings.append(Finding(reason="missed-notifications", what=what, where="subscription", fix=fix))
            await _to_be_asked(intake, seen, told.subscription)
        # Numbers begin anew with a handshake: the server made the subscription active once more.
        seen.pop(told.subscription, None)  # what was heard of last is the newest
        seen[told.subscription] = told.last if told.kind == "handshake" else max(told.last, last or 0)
        for oldest in list(seen)[:-_MOST_NUMBERS]:
            del seen[oldest]
        if seen[told.subscription] != last or items or findings:
            await intake.accept(items, stream=STREAM, cursor=msgspec.json.encode(seen).decode(), findings=findings)
        return _ASK if missing > 0 or (brings and not items) else _DONE


async def _to_be_asked(intake: Intake, seen: dict[str, int], name: str) -> None:
    """Note the first number that is missing, unless an earlier gap is still to be asked for."""
    cursor = await intake.cursor(WATCHED)
    secured = watched(cursor).secured.get(name, 0) if cursor else 0
    if seen.get(name + MISSED, 0) <= secured:
        seen[name + MISSED] = seen[name] + 1


def _ended(told: Notice) -> list[Finding]:
    """What to tell when the server says with its last notification that it stops."""
    if told.status not in ENDED:
        return []
    what = "The server says that it ends a subscription of ours"
    fix = "Polling goes on; `gateway fhir subscribe` makes it anew."
    return [Finding(reason="subscription-ended", what=what, where="subscription", fix=fix)]


async def _deleted(request: HookRequest, url: str, intake: Intake) -> HookResponse:
    gone = deletion(url, url.encode(), request.headers.get("date", ""))
    return await _accepted(intake, [gone] if gone else [])


async def _accepted(intake: Intake, items: list[Item], findings: list[Finding] | None = None) -> HookResponse:
    if items or findings:
        await intake.accept(items, stream=STREAM, findings=findings or [])
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
