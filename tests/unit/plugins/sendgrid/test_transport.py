"""SendGrid's signed events: believed when they are signed and fresh, and told as what became of an e-mail."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import Hooked
from gateway.mapping import Mapping
from gateway.model.exchange import HookRequest, Item
from gateway.model.patch import Patch
from gateway.testing.recording_intake import RecordingIntake
from gateway.wire.mail import Mail, link
from gateway_sendgrid.config import SendgridSourceConfig
from gateway_sendgrid.plugin import gateway_adapters
from gateway_sendgrid.simulator import SendgridSimulator

KEY, PATIENT = "ab" * 16, "0123abcd-0000-8000-8000-0123456789ab"
(ADAPTER,) = gateway_adapters()
assert isinstance(ADAPTER, Hooked)


def account() -> SendgridSimulator:
    """An account that took one e-mail of ours."""
    made = SendgridSimulator()
    to = {"to": [{"email": "ann@example.com"}]}
    made.messages.append({"personalizations": [to], "custom_args": {"delivery": KEY, "patient": PATIENT}})
    return made


def asked(
    sender: SendgridSimulator, intake: RecordingIntake, *events: dict[str, Any], at: float | None = None,
    change: bytes = b"", **headers: str,
) -> int:  # fmt: skip
    """The answer to a request with these events."""
    hooks = ADAPTER.hooks("mail", SendgridSourceConfig(event_key=sender.event_key))
    assert hooks is not None
    body, signed = sender.signed(list(events), at)
    request = HookRequest(
        method="POST", path="events", query="", headers={**signed, **headers}, body=body + change, url=""
    )
    return asyncio.run(hooks.receive(request, intake)).status


def patches(intake: RecordingIntake) -> list[Patch]:
    """What the messages mean."""
    mapping = Mapping.load(ADAPTER.mappings, None, ADAPTER.path, "").bind(zone="UTC")
    normalize = ADAPTER.normalizer(SendgridSourceConfig(), mapping)
    return [patch for item in intake.items for patch in normalize(item.body, b"").patches]


def test_events_tell_what_became_of_an_e_mail() -> None:
    """Delivered and bounced move the communication of that delivery; what only happens on the way says nothing."""
    sender, intake = account(), RecordingIntake()
    on_the_way = [sender.event(0, name) for name in ("processed", "deferred")]
    bounced = sender.event(0, "bounce", status="5.1.1", reason="550 Ann Miller is unknown")
    assert asked(sender, intake, *on_the_way, sender.event(0, "delivered"), bounced) == 200
    found = [one for one in patches(intake) if "status" in one.fields]
    assert {(one.type, one.native_id) for one in found} == {("Communication", KEY)}
    assert [(one.fields["status"], one.fields.get("failure")) for one in found] == [
        ("delivered", None), ("failed", "bounce-5.1.1"),
    ]  # fmt: skip
    assert all(one.fields["patient"] == PATIENT and "sent_at" not in one.fields for one in found)
    assert not any(b"Ann" in item.body or b"ann@" in item.body for item in intake.items)


def test_no_news_moves_an_e_mail_back() -> None:
    """An event that overtakes the route's own word keeps its status, and that word still brings text and address."""
    sender, intake = account(), RecordingIntake()
    asked(sender, intake, sender.event(0, "delivered"), sender.event(0, "bounce"))
    mail = Mail(id=KEY, patient=PATIENT, status="sent", at="2026-03-02T09:30:00+00:00", text="Tomorrow.")
    intake.items.append(Item(body=msgspec.json.encode(mail), kind="mail", control_id="c", order_key=PATIENT))
    found = patches(intake)
    ranks = {one.fields["status"]: one.source_version or "" for one in found if "status" in one.fields}
    assert ranks["sent"] < ranks["delivered"] < ranks["failed"]
    assert [one.source_version for one in found if "text" in one.fields] == [None]


def test_a_complaint_is_a_stop() -> None:
    """Who calls an e-mail spam, or unsubscribes at SendGrid, receives no more."""
    sender, intake = account(), RecordingIntake()
    assert asked(sender, intake, sender.event(0, "spamreport")) == 200
    (patch,) = patches(intake)
    assert patch.source_version is None
    assert (patch.fields["answer"], patch.fields["direction"]) == ("stop", "inbound")


def test_only_what_is_signed_and_fresh_is_taken() -> None:
    """A changed body, another account's key, a changed time, an old request and no signature are refused."""
    sender, other, intake = account(), account(), RecordingIntake()
    event = sender.event(0, "delivered")
    name = "x-twilio-email-event-webhook"
    assert asked(sender, intake, event, change=b" ") == 403
    assert asked(sender, intake, event, at=time.time() - 2 * 86_400) == 403
    assert asked(sender, intake, event, **{f"{name}-timestamp": f"{time.time() - 5:.0f}"}) == 403
    assert asked(sender, intake, event, **{f"{name}-timestamp": "²"}) == 403
    for signature in ("", "?", other.signed([event])[1][f"{name}-signature"]):
        assert asked(sender, intake, event, **{f"{name}-signature": signature}) == 403
    assert intake.items == []
    assert asked(sender, intake, event) == 200
    assert len(intake.items) == 1


def test_events_of_others_and_malformed_ones() -> None:
    """An e-mail that a route did not send is none of ours; what is signed and no list of events is a bad request."""
    sender, intake = account(), RecordingIntake()
    strange: list[dict[str, Any]] = [
        {"delivery": ""}, {"delivery": "../x"}, {"patient": "Ann Miller"}, {"timestamp": -1}, {"timestamp": 2**40},
        {"delivery": 7}, {"patient": {"name": "Ann"}}, {"timestamp": "1"}, {"event": 5},
    ]  # fmt: skip
    assert asked(sender, intake, *({**sender.event(0, "delivered"), **change} for change in strange)) == 200
    assert intake.items == []
    assert asked(sender, intake, {"delivery": 7}, sender.event(0, "delivered")) == 200
    assert len(intake.items) == 1
    no_list: Any = sender.event(0, "delivered")
    body, headers = sender.signed(no_list)
    hooks = ADAPTER.hooks("mail", SendgridSourceConfig(event_key=sender.event_key))
    request = HookRequest(method="POST", path="events", query="", headers=headers, body=body, url="")
    assert hooks is not None
    assert asyncio.run(hooks.receive(request, intake)).status == 400


def test_without_keys_nothing_is_received(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without keys has no receiver, one with the links' secret takes no events, and a key must be one."""
    assert ADAPTER.hooks("mail", SendgridSourceConfig()) is None
    monkeypatch.setenv("MAIL_LINKS", "a secret of links")
    hooks = ADAPTER.hooks("mail", SendgridSourceConfig.model_validate({"unsubscribe_secret": "env:MAIL_LINKS"}))
    assert hooks is not None
    path = link("https://g/hooks/mail", "a secret of links", PATIENT).removeprefix("https://g/hooks/mail/")
    intake = RecordingIntake()
    for where, status in (("events", 404), (path, 200), ("elsewhere", 404)):
        request = HookRequest(method="POST", path=where, query="", headers={}, body=b"[]", url="")
        assert asyncio.run(hooks.receive(request, intake)).status == status
    assert len(intake.items) == 1
    for text in ("AAAA", "x"):
        with pytest.raises(InvalidConfiguration, match="no P-256"):
            ADAPTER.hooks("mail", SendgridSourceConfig(event_key=text))
