"""A claim is sent once more only where no payer has it, and once for each word that came about it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli.claims import _about, _may_go
from gateway.errors import InvalidConfiguration

SENT = {"at": "2026-07-14T12:00:00Z", "document": "837", "outcome": "sent"}
REFUSED = {"at": "2026-07-14T12:05:00.5Z", "document": "277CA", "outcome": "rejected"}


def claim(**fields: Any) -> dict[str, Any]:
    told = {"control_number": "C1", "state": "rejected", "made_here": True, "history": [SENT, REFUSED]}
    return told | fields


@pytest.mark.parametrize("state", ["sent", "rejected", "not-found"])
def test_what_no_payer_has_goes_once_more(state: str) -> None:
    """The decision names the last word about the claim, so that the same decision twice is one."""
    assert _may_go(claim(state=state), []) == REFUSED["at"]
    assert _may_go(claim(state=state), [{"after": SENT["at"]}]) == REFUSED["at"]


@pytest.mark.parametrize(
    "state", ["forwarded", "accepted", "pending", "more-information", "finalized", "paid", "denied"]
)
def test_what_a_payer_has_does_not_go_once_more(state: str) -> None:
    """It would be a duplicate there: a correction is a replacement."""
    with pytest.raises(InvalidConfiguration, match="a payer has it"):
        _may_go(claim(state=state), [])


def test_what_is_not_made_here_or_goes_already_is_refused() -> None:
    """Another system's claim is sent again there; after one word a claim goes once, however its time is written."""
    with pytest.raises(InvalidConfiguration, match="Nothing here makes this claim"):
        _may_go(claim(made_here=False), [])
    with pytest.raises(InvalidConfiguration, match="goes once more already"):
        _may_go(claim(), [{"after": "2026-07-14T12:05:00.500000+00:00"}])


@pytest.mark.parametrize("kind", ["claim-unanswered", "second-payer-held", "eleventh-payer-held"])
def test_work_about_every_payer_is_listed(kind: str) -> None:
    """Also that of third and later payers; a denial is not."""
    assert _about(kind)
    assert not _about("denial-coding")
