"""Cursors: nothing can be read from one, and none can be made, changed or used for something else."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from gateway.http.cursor import feed_cursor, place_of, place_token, positions_of
from gateway.http.refusal import HttpRefusal

PLACE = ["aa" * 16, "bb" * 16]


class Digests:
    """The one thing that cursors ask of a vault: a keyed digest by tenant."""

    def digest(self, tenant: str, data: bytes) -> bytes:
        """A digest under a key of this tenant."""
        return hmac.digest(hashlib.sha256(tenant.encode()).digest(), data, "sha256")


VAULT = Digests()


def test_a_cursor_comes_back_as_it_was() -> None:
    """Positions and places survive the way to a reader and back."""
    positions = positions_of(VAULT, "north", feed_cursor(VAULT, "north", {0: 5, 3: 70_000}))
    assert (positions[0], positions[3], positions[1]) == (5, 70_000, 0)
    assert place_of(VAULT, "north", "list/Claim", place_token(VAULT, "north", "list/Claim", PLACE)) == PLACE


def test_a_place_does_not_tell_whose_the_last_record_was() -> None:
    """A view may withhold the patient of a record; the cursor behind that record withholds it too."""
    token = place_token(VAULT, "north", "list/Claim", PLACE)
    opened = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert PLACE[0].encode() not in opened
    assert bytes.fromhex(PLACE[0]) not in opened


@pytest.mark.parametrize(("tenant", "kind"), [("south", "list/Claim"), ("north", "list/Patient"), ("north", "audit")])
def test_a_cursor_is_good_for_one_tenant_and_one_list(tenant: str, kind: str) -> None:
    """Another tenant's and another list's cursor is refused."""
    token = place_token(VAULT, "north", "list/Claim", PLACE)
    with pytest.raises(HttpRefusal):
        place_of(VAULT, tenant, kind, token)


def test_a_cursor_that_was_touched_is_refused() -> None:
    """Every single sign of it counts, and so does its length; what is no cursor at all is refused the same way."""
    token = place_token(VAULT, "north", "list/Claim", PLACE)
    changed = [f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}" for at in range(len(token) - 1)]
    for text in (*changed, token[:-4], token + "AAAA", "x", "é", "A" * 20, "A" * 5000):
        with pytest.raises(HttpRefusal):
            place_of(VAULT, "north", "list/Claim", text)
