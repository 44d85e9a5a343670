"""Uploads are let in by their token and answered by what became of them."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import LimitExceeded, MalformedEnvelope, StoreUnavailable
from gateway.model.exchange import HookRequest
from gateway.testing.recording_intake import RecordingIntake
from gateway.transport.uploads import Uploads, uploads


def posted(outcome: Exception | None, token: str = "known", method: str = "POST"):
    """The answer to one upload, and the names and bytes that were brought."""
    brought = []

    async def bring(_intake, data, name):
        brought.append((name, data))
        if outcome is not None:
            raise outcome
        return 3, 1

    request = HookRequest(
        method=method,
        path="a.csv",
        query="",
        headers={"authorization": f"Bearer {token}"},
        body=b"x",
        url="https://gw/h",
    )
    return asyncio.run(Uploads("known", bring).receive(request, RecordingIntake())), brought


def test_a_stored_file_is_counted():
    """The name stands behind the source in the address, the counts in the answer."""
    answer, brought = posted(None)
    assert (answer.status, answer.body, brought) == (200, b'{"rows":3,"findings":1}', [("a.csv", b"x")])


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (MalformedEnvelope("no-table", "none", where="line 1"), MalformedEnvelope.http_status),
        (LimitExceeded("too-long", "long", where="line 1"), LimitExceeded.http_status),
        (StoreUnavailable("full"), 503),
    ],
)
def test_what_was_not_stored_is_no_success(outcome, status):
    """The sender sees from the status whether to mend the file or to come again."""
    answer, _ = posted(outcome)
    assert answer.status == status >= 400


def test_nobody_is_let_in_without_the_token():
    """A wrong token and another method bring nothing; without a token in the settings nothing listens."""
    for token, method, status in (("other", "POST", 401), ("", "POST", 401), ("known", "PUT", 405)):
        answer, brought = posted(None, token, method)
        assert (answer.status, brought) == (status, [])
    assert uploads(None, lambda *_: None) is None
