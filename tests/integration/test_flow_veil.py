"""Veil: what leaves by a view without identifiers, envelope and all."""

from __future__ import annotations

import msgspec

from gateway.access import built_in
from gateway.model.exchange import Delivery
from tests.integration.parts import Parts, Written, appointment, deliver_all, message, patient

VIEW = built_in()["analytics-deidentified"]


def delivered(parts: Parts, name: str, recipient: str) -> list[Delivery]:
    """All that one route delivers to one recipient."""
    sink = Written()
    deliver_all(parts.delivering(sink, name=name, recipient=recipient, view=VIEW))
    return sink.effects


def test_a_delivery_without_identifiers_cannot_be_joined_with_another(parts: Parts) -> None:
    """Ids, order and source of envelope and body are not the gateway's, differ by recipient, and are consistent."""
    parts.take(message(patient("p1", "Miller", birth_date="1980-05-05"), appointment("a1", "p1", reason="knee")))
    mine, again, other = (delivered(parts, name, to) for name, to in (("a", "Lab"), ("b", "Lab"), ("c", "Other lab")))
    bodies = {one.type: msgspec.json.decode(one.body) for one in mine}
    (person, visit) = sorted(mine, key=lambda one: one.type, reverse=True)
    assert bodies["Appointment"]["patient"] == person.record_id
    own = {str(parts.vault.record_id("northside", "told", *of)) for of in (("Patient", "p1"), ("Appointment", "a1"))}
    text = str(mine)
    assert not [told for told in (*own, "Miller", "knee", "told", "1980-05-05") if told in text]
    assert person.order == visit.order
    assert {(one.type, one.record_id, one.body) for one in mine} == {
        (one.type, one.record_id, one.body) for one in again
    }
    assert not {one.record_id for one in mine} & {one.record_id for one in other}
    assert not {one.order for one in mine} & {one.order for one in other}
    assert parts.ledger().problems == []
