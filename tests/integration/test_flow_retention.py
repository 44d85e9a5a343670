"""Retention by class: what is over opens no more, what is not stays, and both logs still verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import update

from gateway.errors import Shredded
from gateway.flow import retention
from gateway.flow.bound_rows import bind_rows
from gateway.flow.clock import micros
from gateway.flow.explain import Explainer
from gateway.model.exchange import Rejected
from gateway.settings_keys import Retention
from gateway.store import holds
from gateway.store.schema import changes
from tests.integration.parts import TENANT, Parts, Written, appointment, deliver_all, message, patient
from tests.integration.test_flow_deliver import rows
from tests.integration.test_flow_shred import readable, shredder, sound

YEARS = 400 * retention.DAY
VERSIONS = Retention(tenant=TENANT, of="versions", days=365)
PATIENTS = Retention(tenant=TENANT, of="patients", days=365)


def age(parts: Parts, *of: str) -> None:
    """Let all that is stored of some patients of the test source, or of all, have come long ago, and bind it anew."""
    statement = update(changes).values(at=changes.c.at - YEARS, mac=None)
    if of:
        statement = statement.where(changes.c.patient.in_([parts.record("Patient", one) for one in of]))
    parts.store.write_sync(lambda connection: connection.execute(statement))
    bind_rows(parts.store)


def retainer(parts: Parts) -> retention.Retainer:
    """What the command runs."""
    return retention.Retainer(parts.store, parts.keystore, parts.audit, shredder(parts))


def drop(parts: Parts, rule: Retention) -> int:
    """Run one rule; what was planned is what was done."""
    (planned,) = retainer(parts).plan([rule])
    (done,) = retainer(parts).run([rule], "cli:tester")
    assert planned == done
    assert retainer(parts).plan([rule])[0].count == 0
    return done.count


def hold(parts: Parts, native_id: str | None) -> None:
    """A court wants a patient's data kept, or everybody's."""
    row = {
        "tenant": TENANT, "hold": "case", "patient": parts.record("Patient", native_id) if native_id else None,
        "reason": "court", "by": "cli:x", "at": 1,
    }  # fmt: skip
    parts.store.write_sync(lambda connection: holds.add(connection, row))


def named(parts: Parts, names: Sequence[str]) -> None:
    """A patient under one name after the other, an appointment of theirs, and another patient who changed once."""
    for name in names:
        parts.take(message(patient("p1", name)))
    parts.take(message(appointment("a1", "p1")), message(patient("p2", "Brown")), message(patient("p2", "Brown-Ellis")))


@pytest.mark.parametrize("page", [1, 500])
def test_versions_that_were_replaced_are_dropped(parts: Parts, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """The newest version of everything stays, and so does what was replaced lately; ledger and audit log are whole."""
    monkeypatch.setattr(retention, "PAGE", page)
    named(parts, ("Adams", "Adams-Cole"))
    age(parts)
    parts.take(message(patient("p1", "Adams-Dole")))
    assert drop(parts, VERSIONS) == 2
    assert readable(parts, "Patient", "p1") == [False, True, True]
    assert readable(parts, "Patient", "p2") == [False, True]
    assert readable(parts, "Appointment", "a1") == [True]
    sound(parts)
    parts.take(message(patient("p1", "Adams-Ellis")))
    assert readable(parts, "Patient", "p1") == [False, True, True, True]
    sound(parts)


def test_rules_are_by_class(parts: Parts) -> None:
    """A rule for some record types or sources leaves the others alone."""
    named(parts, ("Adams", "Adams-Cole"))
    age(parts)
    assert drop(parts, Retention(tenant=TENANT, of="versions", days=365, records=("Appointment",))) == 0
    assert drop(parts, Retention(tenant=TENANT, of="versions", days=365, sources=("elsewhere",))) == 0
    assert drop(parts, Retention(tenant=TENANT, of="versions", days=500)) == 0
    assert drop(parts, Retention(tenant=TENANT, of="versions", days=365, records=("Patient",))) == 2
    sound(parts)


def test_holds_keep_versions_and_patients(parts: Parts) -> None:
    """A patient's hold keeps that patient's, one without a patient everybody's."""
    named(parts, ("Adams", "Adams-Cole"))
    age(parts)
    hold(parts, "p1")
    assert drop(parts, VERSIONS) == 1
    assert readable(parts, "Patient", "p1") == [True, True]
    assert drop(parts, PATIENTS) == 1
    assert readable(parts, "Patient", "p2") == [False, False]
    parts.store.write_sync(lambda connection: holds.end(connection, TENANT, "case", 2))
    parts.store.write_sync(
        lambda connection: holds.add(
            connection, {"tenant": TENANT, "hold": "all", "patient": None, "reason": "court", "by": "cli:x", "at": 1}
        )
    )
    assert drop(parts, VERSIONS) == drop(parts, PATIENTS) == 0
    sound(parts)


def test_what_a_route_still_wants_is_kept(parts: Parts) -> None:
    """A version that a route has not read, or holds in quarantine, is dropped only when that is over."""
    named(parts, ("Adams",))
    refusing = Written(answer=lambda delivery: Rejected("no"))
    deliver_all(parts.delivering(refusing))
    assert ("quarantined", "no") in rows(parts)
    parts.take(message(patient("p1", "Adams-Cole")))
    parts.take(message(patient("p1", "Adams-Dole")))
    age(parts)
    assert drop(parts, VERSIONS) == 0
    assert readable(parts, "Patient", "p1") == [True, True, True]
    sound(parts)


def test_patients_of_whom_nothing_was_heard_are_shredded(parts: Parts) -> None:
    """All of such a patient opens no more; whoever had news since stays, and so do their shares of the ledger."""
    named(parts, ("Adams", "Adams-Cole"))
    age(parts)
    parts.take(message(appointment("a2", "p2")))
    assert drop(parts, PATIENTS) == 1
    assert readable(parts, "Patient", "p1") == [False, False]
    assert readable(parts, "Appointment", "a1") == [False]
    assert readable(parts, "Patient", "p2") == [True, True]
    assert parts.keystore.keys_of(TENANT, parts.record("Patient", "p1")) == []
    sound(parts)


def test_news_between_plan_and_run_saves_a_patient(parts: Parts) -> None:
    """Whether somebody is over is asked again in the commit that begins it."""
    named(parts, ("Adams",))
    age(parts)
    found = parts.record("Patient", "p1")
    parts.take(message(appointment("a7", "p1")))
    with pytest.raises(Exception, match="news"):
        shredder(parts).shred(TENANT, found, "retention", "cli:tester", silent_since=micros() - 365 * retention.DAY)
    assert readable(parts, "Patient", "p1") == [True]


def test_an_explanation_says_what_it_cannot_know(parts: Parts) -> None:
    """What a dropped version may have set is not ascribed to the version after it."""
    named(parts, ("Adams", "Adams-Cole", "Adams-Dole"))
    age(parts)
    drop(parts, VERSIONS)
    sources: Any = dict(parts.sources)
    explainer = Explainer(TENANT, parts.store, parts.vault, parts.audit, sources, "cli:tester")
    with pytest.raises(Shredded, match="dropped"):
        explainer.explain(parts.record("Patient", "p1").hex(), "name")


@pytest.mark.parametrize(
    "bad",
    [
        {"of": "patients", "days": 364},
        {"of": "patients", "sources": ("hospital",), "days": 400},
        {"of": "messages", "records": ("Patient",), "days": 400},
        {"of": "versions", "records": ("Patients",), "days": 400},
        {"of": "versions", "days": 29},
    ],
)
def test_rules_that_mean_nothing_are_refused(bad: dict[str, Any]) -> None:
    """A type that is none, a patient's part, and times that nobody can mean."""
    with pytest.raises(ValueError, match="validation error"):
        Retention.model_validate({"tenant": TENANT} | bad)
