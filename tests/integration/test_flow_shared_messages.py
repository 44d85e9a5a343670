"""Messages that tell of several patients, or change nothing, follow shredding and holds like all others."""

from __future__ import annotations

from functools import partial

import pytest

from gateway.errors import InvalidConfiguration, Shredded
from gateway.flow import retention
from gateway.flow.places import message_place
from gateway.settings_keys import Retention
from gateway.store import holds, messages
from gateway.vault import Sealed
from tests.integration.parts import TENANT, Parts, message, patient
from tests.integration.test_flow_shred import shred, shredder, sound, two

RULE = Retention(tenant=TENANT, days=30)


def opens(parts: Parts, message_id: int) -> bool:
    """Whether the bytes of a settled message can still be read."""
    one = parts.store.read_sync(partial(messages.one, tenant=TENANT, message_id=message_id))
    last = parts.store.read_sync(partial(messages.outcomes_of, tenant=TENANT, message_id=message_id))[-1]
    entry = parts.audit.entry(TENANT, action="access", actor="cli:tester", purpose="test", messages=[message_id])
    parts.store.write_sync(lambda connection: parts.audit.append(connection, entry))
    with parts.audit.grant(entry) as grant:
        try:
            parts.vault.open(grant, message_place(TENANT, message_id), Sealed(last.key_id, last.wrapped, one.box))
        except Shredded:
            return False
    return True


def hold(parts: Parts, native_id: str) -> None:
    """A court wants everything of one patient kept."""
    row = {
        "tenant": TENANT, "hold": "case", "patient": parts.record("Patient", native_id), "reason": "court",
        "by": "cli:x", "at": 1,
    }  # fmt: skip
    parts.store.write_sync(lambda connection: holds.add(connection, row))


def test_a_shared_message_that_changed_nothing_of_the_patient_loses_its_bytes(parts: Parts) -> None:
    """A repeated roster that only changes somebody else still tells of the patient, and opens no more."""
    two(parts)
    (roster,) = parts.take(message(patient("p2", "Brown-Ellis"), patient("p1", "Adams-Cole"), control="again"))
    (own,) = parts.take(message(patient("p2", "Brown-Fox")))
    assert opens(parts, roster.message_id)
    shred(parts, "p1")
    assert not opens(parts, roster.message_id)
    assert opens(parts, own.message_id)
    sound(parts)


def test_a_hold_keeps_a_shared_message_that_changed_nothing(parts: Parts) -> None:
    """Whoever is only mentioned in a message is asked about before it loses its bytes."""
    parts.take(message(patient("p2", "Brown")))
    parts.take(message(patient("p1", "Adams"), patient("p2", "Brown")))
    hold(parts, "p2")
    with pytest.raises(InvalidConfiguration, match="hold"):
        shred(parts, "p1")


def test_retention_keeps_what_a_hold_covers(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of a patient on hold stay even when they changed nothing, or told of others first; the rest goes."""
    kept = parts.take(
        message(patient("p1", "Adams")), message(patient("p1", "Adams"), control="unchanged"),
        message(patient("p2", "Brown"), patient("p1", "Adams"), control="shared"),
    )  # fmt: skip
    (gone,) = parts.take(message(patient("p2", "Brown-Ellis")))
    hold(parts, "p1")
    monkeypatch.setattr(retention, "DAY", -1_000_000)
    retainer = retention.Retainer(parts.store, parts.keystore, parts.audit, shredder(parts))
    (planned,) = retainer.plan((RULE,))
    (done,) = retainer.run((RULE,), "cli:tester")
    assert planned.count == done.count == 1
    assert all(opens(parts, receipt.message_id) for receipt in kept)
    assert not opens(parts, gone.message_id)
    sound(parts)
