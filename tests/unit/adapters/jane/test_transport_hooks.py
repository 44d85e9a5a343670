"""Webhooks: verified, fetched, stored before the answer, repeated without effect."""

from __future__ import annotations

import hashlib
import hmac

import msgspec
import pytest

from gateway.model.exchange import HookRequest
from gateway_jane.transport_hooks import ClinicHooks
from gateway_jane.transport_tokens import Webhook
from tests.unit.adapters.jane.clinic import Clinic, normalize, with_clinic

WITH = normalize()
SECRET = "simulated-hook-secret"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANE_SECRET", "simulated-secret")


def request(body: bytes, signature: str, at: str = "1780000000", method: str = "POST") -> HookRequest:
    headers = {"x-jane-signature": signature, "x-jane-timestamp": at}
    url = "https://gateway.example/hooks/north-jane"
    return HookRequest(method=method, path="", query="", headers=headers, body=body, url=url)


def notice(id: str, topic: str = "APPOINTMENT_CANCELLED") -> bytes:
    return msgspec.json.encode({"event_id": "e-1", "event_topic": topic, "appointment_id": id, "version": 1})


def signed(body: bytes, prefix: bytes = b"", key: str = SECRET) -> str:
    return "sha256=" + hmac.digest(key.encode(), prefix + body, hashlib.sha256).hex()


def ready(clinic: Clinic, clock=lambda: 1780000000.0) -> ClinicHooks:
    hooks = (Webhook("APPOINTMENT_CANCELLED", "1", SECRET),)
    clinic.file.write(msgspec.structs.replace(clinic.file.read(), webhooks=hooks))
    return ClinicHooks(clinic.config, clock)


def test_a_notice_brings_the_appointment_as_it_is_now(tmp_path) -> None:
    """200 comes after it was stored; the same notice again is a repeat; the next look brings nothing further."""

    async def body(clinic: Clinic) -> None:
        receiver = ready(clinic)
        id = next(iter(clinic.held("appointments")))
        clinic.simulator.touch("appointments", id, state="cancelled", cancelled_reason="Away")
        for _ in range(2):
            answer = await receiver.receive(request(notice(id), signed(notice(id))), clinic.intake)
            assert answer.status == 200
        (item,) = clinic.intake.items
        (patch,) = WITH(item.body, item.context).patches
        assert (patch.native_id, patch.fields["status"]) == (id, "cancelled")

    with_clinic(tmp_path, body, webhooks=True)


def test_what_polling_stored_meanwhile_is_not_undone(tmp_path) -> None:
    """A notice's state is fetched, a newer one polled and stored, then the notice's: the newer one is stored last."""

    async def body(clinic: Clinic) -> None:
        receiver, original = ready(clinic), clinic.intake.accept
        id = next(iter(clinic.held("appointments")))
        clinic.simulator.touch("appointments", id, state="cancelled", cancelled_reason="Away")

        async def late(items, **more):
            clinic.intake.accept = original
            clinic.simulator.touch("appointments", id, state="booked", cancelled_at=None, cancelled_reason=None)
            await clinic.poll("appointments")
            return await original(items, **more)

        clinic.intake.accept = late
        assert (await receiver.receive(request(notice(id), signed(notice(id))), clinic.intake)).status == 200
        states = [msgspec.json.decode(item.body) for item in clinic.intake.items]
        assert [row["state"] for row in states if row["id"] == id] == ["booked", "cancelled", "booked"]

    with_clinic(tmp_path, body, webhooks=True)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (lambda body: request(body, "sha256=00"), 401),
        (lambda body: request(body, ""), 401),
        (lambda body: request(body + b" ", signed(body)), 401),
        (lambda body: request(body, signed(body, key="other")), 401),
        (lambda body: request(b"{}", signed(b"{}")), 400),
        (lambda body: request(body, signed(body), method="GET"), 405),
    ],
    ids=["wrong", "missing", "changed-body", "foreign-key", "other-shape", "get"],
)
def test_what_is_not_from_the_clinic_is_refused(tmp_path, given, status: int) -> None:
    """A wrong, missing or foreign signature stores nothing, nor does a body of another shape."""

    async def body(clinic: Clinic) -> None:
        id = next(iter(clinic.held("appointments")))
        answer = await ready(clinic).receive(given(notice(id)), clinic.intake)
        assert (answer.status, clinic.intake.items) == (status, [])

    with_clinic(tmp_path, body, webhooks=True)


def test_a_signed_timestamp_must_be_recent(tmp_path) -> None:
    """Where the vendor signs the timestamp too, an old or unreadable one is refused although its signature is right."""

    async def body(clinic: Clinic) -> None:
        receiver = ready(clinic)
        sent = notice("gone")
        found = []
        for at in ("1780000000", "1779999000", "now", "2026-05-28T20:26:40+00:00"):
            signature = signed(sent, f"{at}.".encode())
            found.append((await receiver.receive(request(sent, signature, at), clinic.intake)).status)
        assert found == [200, 401, 401, 200]

    with_clinic(tmp_path, body, webhooks=True, webhook_signed="timestamp.body")


def test_an_api_that_is_down_makes_the_sender_come_again(tmp_path) -> None:
    """503, and nothing is stored; an unknown appointment and an unknown topic are answered 200."""

    async def body(clinic: Clinic) -> None:
        receiver = ready(clinic)
        id = next(iter(clinic.held("appointments")))
        clinic.simulator.fail("500", 10)
        assert (await receiver.receive(request(notice(id), signed(notice(id))), clinic.intake)).status == 503
        clinic.simulator.heal()
        other = notice(id, "SOMETHING_NEW")
        assert (await receiver.receive(request(other, signed(other)), clinic.intake)).status == 200
        assert clinic.intake.items == []

    with_clinic(tmp_path, body, webhooks=True, retries=0)
