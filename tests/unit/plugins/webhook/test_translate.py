from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Delivered, Delivery, Rejected, Retry
from gateway_webhook.translate import (
    LONGEST_WAIT,
    event_type,
    message_id,
    outcome,
    payload,
    retry_after,
    signed,
    signing_key,
)

NOW = datetime(2026, 7, 14, 12, 0, 0, tzinfo=UTC)
VECTOR = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def delivery(**changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "key": "k1", "change": "created", "type": "Appointment", "record_id": "0198f3a2-0001", "order": "p",
        "version": 3, "at": "2026-07-14T09:00:00Z", "source": "north", "observed_at": "2026-07-14T08:59:59Z",
        "fields": ("start",), "body": b'{"start":"2026-07-20T09:00:00-05:00"}',
    }  # fmt: skip  # an envelope reads better packed
    return Delivery(**(values | changes))


def test_the_published_vector() -> None:
    """The signature of the specification's example is the specification's."""
    headers = signed([signing_key(VECTOR, "")], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_reference_library_accepts_each_secret() -> None:
    """With two secrets, a receiver that knows either of them verifies the request by the reference library."""
    other = "whsec_" + base64.b64encode(bytes(range(64))).decode()
    body = payload(delivery(), "full")
    now = int(datetime.now(UTC).timestamp())
    headers = signed([signing_key(VECTOR, ""), signing_key(other, "")], message_id(delivery()), now, body)
    for secret in (VECTOR, other):
        assert Webhook(secret).verify(body, headers)["type"] == "appointment.created"
    with pytest.raises(Exception, match="signature"):
        Webhook("whsec_" + base64.b64encode(b"z" * 32).decode()).verify(body, headers)
    with pytest.raises(Exception, match="signature"):
        Webhook(VECTOR).verify(body + b" ", headers)


def test_a_message_keeps_its_id_and_body() -> None:
    """Id and body follow from the delivery alone; another effect has another id, and an id has no dot."""
    assert message_id(delivery()) == message_id(delivery(version=4))
    assert message_id(delivery()) != message_id(delivery(key="k2"))
    assert "." not in message_id(delivery(key="a.b"))
    assert payload(delivery(), "full") == payload(delivery(), "full")


def test_full_and_thin_payloads() -> None:
    """A full payload carries the record as the view made it, a thin one ids only."""
    full, thin = (msgspec.json.decode(payload(delivery(), content)) for content in ("full", "thin"))
    record = full["data"].pop("record")
    assert record == {"start": "2026-07-20T09:00:00-05:00"}
    assert full == thin
    assert full == {
        "type": "appointment.created",
        "timestamp": "2026-07-14T09:00:00Z",
        "data": {
            "id": "0198f3a2-0001", "version": 3, "source": "north", "observed_at": "2026-07-14T08:59:59Z",
        },
    }  # fmt: skip  # an envelope reads better packed


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [
        ("Appointment", "appointment.updated"),
        ("ClaimPayment", "claim_payment.updated"),
        ("EpisodeOfCare", "episode_of_care.updated"),
    ],
)
def test_event_types_are_dotted_words(type_name: str, expected: str) -> None:
    """Record type and change become lower-case words with a dot between."""
    assert event_type(type_name, "updated") == expected


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "SECRET",
        VECTOR[6:],
        "whsec_" + "A" * 28,
        "whsec_" + "A" * 88 + "AAAA",
        "whsec_not base64 SECRET",
        "whsk_" + VECTOR[6:],
    ],
)
def test_a_bad_secret_is_told_and_not_repeated(secret: str) -> None:
    """A secret of another form or size is a configuration error that does not hold it."""
    with pytest.raises(InvalidConfiguration) as caught:
        signing_key(secret, "routes.crm.secrets")
    assert caught.value.where == "routes.crm.secrets"
    assert len(secret) < 7 or secret not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Delivered(f"{status} m1")) for status in (200, 201, 202, 204, 299)),
        *((status, Retry(f"http-{status}")) for status in (100, 199, 300, 301, 302, 304, 307, 308)),
        *((status, Rejected(f"http-{status}")) for status in (400, 402, 406, 409, 413, 415, 422, 451, 499)),
        *((status, Retry(f"http-{status}")) for status in (408, 425, 429, 500, 501, 502, 503, 504, 520, 599)),
        *((status, Retry(f"http-{status}")) for status in (401, 403, 404, 405, 407)),
        (410, Rejected("endpoint-gone")),
    ],
)
def test_each_status_has_one_meaning(status: int, expected: object) -> None:
    """2xx is delivered, 4xx refused but for those that ask for patience or speak of the endpoint, else tried again."""
    assert outcome(status, {}, "m1", NOW) == expected


def test_a_receipt_holds_only_plain_ids() -> None:
    """The receiver's request id joins the receipt when it is one; anything else from its headers does not."""
    assert outcome(202, {"x-request-id": "req-7/a"}, "m1", NOW) == Delivered("202 m1 req-7/a")
    for strange in ("Jane Doe", "", "x" * 81, "a\x1b[31m", "\u00e9"):
        assert outcome(202, {"x-request-id": strange}, "m1", NOW) == Delivered("202 m1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("1", 1.0), (" 120 ", 120.0), ("3600", 3600.0), ("86400", LONGEST_WAIT), ("86401", LONGEST_WAIT),
        ("315360000", LONGEST_WAIT), ("999999999999", LONGEST_WAIT), ("Tue, 14 Jul 2026 12:01:30 GMT", 90.0),
        ("Tue, 14 Jul 2026 12:01:30 -0000", 90.0), ("Tue, 14 Jul 2026 14:01:30 +0200", 90.0),
        ("Tue, 14 Jul 2026 11:00:00 GMT", 0.0), ("Tue, 14 Jul 2036 12:00:00 GMT", LONGEST_WAIT),
        ("", None), ("soon", None), ("-5", None), ("1.5", None), ("1e3", None), ("0x10", None), ("\u0661\u0662", None),
        ("99 bottles", None), ("Tue, 99 Jul 2026 12:00:00 GMT", None), ("9" * 5000, None),
        ("2026-07-14T12:00:00Z", None),
        ("Tue, 14 Jul 99999 12:00:00 GMT", None), ("\x00", None), ("NaN", None), ("inf", None),
    ],
)  # fmt: skip  # a table reads better packed
def test_retry_after(text: str, seconds: float | None) -> None:
    """Seconds and HTTP dates are understood, at most a day; garbage is ignored."""
    assert retry_after(text, NOW) == seconds
    assert outcome(503, {"retry-after": text}, "m1", NOW) == Retry("http-503", seconds)


def test_every_retry_after_ends() -> None:
    """Whatever date a receiver names, the wait is between none and a day."""
    for days in range(-400, 400, 7):
        text = (NOW + timedelta(days=days)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        wait = retry_after(text, NOW)
        assert wait is not None
        assert 0 <= wait <= LONGEST_WAIT
