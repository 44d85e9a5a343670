from __future__ import annotations

from gateway.access import View
from gateway.flow.view_usage import usage
from gateway.store.view_usage import Fetched, Sent

VIEW = View("v", {"Patient": ["name.family", "name.given", "birth_date"], "Claim": ["charge"], "Slot": ["start"]})
SENT = [
    Sent("a", "Patient", ("name.family",), 3),
    Sent("a", "Patient", ("name.family", "birth_date"), 2),
    Sent("other", "Claim", ("charge",), 9),
]


def test_what_was_never_sent_is_left_out_of_the_proposal() -> None:
    """Fields are counted on the view's own routes alone; what none of them sent is unused and not proposed."""
    found = usage(VIEW, ["a"], [], SENT, [])
    assert found.sent == {"Patient": {"birth_date": 2, "name.family": 5}}
    assert found.unused == {"Patient": ("name.given",), "Claim": ("charge",), "Slot": ("start",)}
    assert found.proposal == {"Patient": ("name.family", "birth_date")}


def test_a_type_that_a_client_asked_for_stays_whole() -> None:
    """A page does not tell which fields it held, so every field of a type that was fetched counts as used."""
    fetched = [Fetched("c", ("Claim", "Gone"), b"", 4), Fetched("else", ("Slot",), b"", 4)]
    found = usage(VIEW, ["a"], ["c"], SENT, fetched)
    assert found.asked == {"Claim": 4}
    assert found.proposal == {"Patient": ("name.family", "birth_date"), "Claim": ("charge",)}


def test_without_any_use_nothing_is_proposed() -> None:
    """Where nothing was sent or fetched, nothing is known, and no narrower view is proposed."""
    assert usage(VIEW, [], [], SENT, []).proposal == {}


def test_a_field_granted_whole_is_used_by_any_of_its_parts() -> None:
    """Deliveries name parts of nested fields; a grant of the whole field counts them."""
    found = usage(View("w", {"Claim": ["lines"]}), ["a"], [], [Sent("a", "Claim", ("lines.charge",), 1)], [])
    assert found.proposal == {"Claim": ("lines",)}


def test_a_narrower_view_still_tells_the_ids_that_are_written_back_to() -> None:
    """They leave with other records than the one they name, so no count tells whether they were used."""
    view = View("back", {"Task": ["kind", "title"], "Appointment": ["native_id", "start"]})
    found = usage(view, ["a"], [], [Sent("a", "Task", ("kind", "about.native_id"), 1)], [])
    assert found.proposal == {"Task": ("kind",), "Appointment": ("native_id",)}
    assert usage(view, [], [], [], []).proposal == {}
