"""Shred: a patient's data is gone for good, from restored copies too, while everything else adds up."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest

from gateway.errors import IntegrityViolated, InvalidConfiguration, Shredded
from gateway.flow.certificate import Certificate, check_certificate
from gateway.flow.places import change_place, change_row
from gateway.flow.shred import Shredder
from gateway.flow.sweep import FEW, Sweeper
from gateway.model.exchange import Rejected, Retry
from gateway.model.full_list import Looked, Seen, SweepPage
from gateway.store import holds, journal, messages
from gateway.vault import Keystore, Sealed
from gateway.vault.shred_list import ShredList
from tests.integration.outcomes import rows
from tests.integration.parts import (
    FAR,
    TENANT,
    Parts,
    Place,
    Written,
    appointment,
    deliver_all,
    merged,
    message,
    patient,
)


def shredder(parts: Parts) -> Shredder:
    """A shredder whose list lies beside keystore and data."""
    return Shredder(parts.store, parts.vault, parts.audit, ShredList(parts.place.folder / "shredded.list"))


def shred(parts: Parts, native_id: str) -> Certificate:
    """Shred a patient of the test source."""
    return shredder(parts).shred(TENANT, parts.record("Patient", native_id), "patient-request", "cli:tester")


def readable(parts: Parts, kind: str, native_id: str) -> list[bool]:
    """Of each version of a record, whether it opens."""
    wanted = parts.record(kind, native_id)
    found = parts.store.read_sync(lambda c: journal.history(c, TENANT, wanted))
    entry = parts.audit.entry(
        TENANT, action="access", actor="cli:tester", purpose="test",
        changes=[change_row(row.record_id, row.version) for row in found],
    )  # fmt: skip
    parts.store.write_sync(lambda connection: parts.audit.append(connection, entry))
    opens = []
    with parts.audit.grant(entry) as grant:
        for row in found:
            place = change_place(TENANT, row.record_id, row.version)
            try:
                parts.vault.open(grant, place, Sealed(row.key_id, row.wrapped, row.box))
                opens.append(True)
            except Shredded:
                opens.append(False)
    return opens


def sound(parts: Parts) -> None:
    """Ledger and audit log are whole."""
    assert parts.ledger().problems == []
    parts.sequence()
    assert parts.store.read_sync(parts.audited).valid


def two(parts: Parts) -> None:
    """Two patients with an appointment each, in one message of several patients and some of their own."""
    parts.take(
        message(patient("p1", "Adams"), patient("p2", "Brown"), control="both"),
        message(appointment("a1", "p1")), message(appointment("a2", "p2")),
        message(patient("p1", "Adams-Cole")),
    )  # fmt: skip


def test_a_shredded_patient_opens_no_more_and_others_do(parts: Parts) -> None:
    """No version of the patient's records opens, every one of the others does, and both logs still verify."""
    two(parts)
    certificate = shred(parts, "p1")
    assert readable(parts, "Patient", "p1") == [False, False]
    assert readable(parts, "Appointment", "a1") == [False]
    assert readable(parts, "Patient", "p2") == readable(parts, "Appointment", "a2") == [True]
    assert certificate.counts["changes"] == 3
    assert certificate.counts["shared_messages"] >= 1
    assert len(certificate.keys) == 1
    sound(parts)


def test_certificates_are_signed(parts: Parts) -> None:
    """A certificate verifies under the tenant's key, and not when a letter of it was changed."""
    two(parts)
    text = msgspec.json.encode(shred(parts, "p1"))
    key = parts.vault.signing_key(TENANT).public_key()
    assert check_certificate(text, key).reason == "patient-request"
    with pytest.raises(IntegrityViolated):
        check_certificate(text.replace(b"patient-request", b"court-order-000"), key)
    assert check_certificate(msgspec.json.format(text), key).tenant == TENANT
    for added in (b'{"patient":"somebody else",', b'{"note":"also this",'):
        with pytest.raises(IntegrityViolated):
            check_certificate(added + text[1:], key)


def test_what_waits_is_suppressed(parts: Parts) -> None:
    """Deliveries of the patient that wait, stand in quarantine or were not looked at yet end as suppressed."""
    two(parts)
    refusing = Written(answer=lambda delivery: Rejected("no") if delivery.type == "Patient" else Retry("busy"))
    deliver_all(parts.delivering(refusing, schedule=(FAR, FAR)))
    assert ("quarantined", "no") in rows(parts)
    shred(parts, "p1")
    parts.take(message(patient("p3", "Cole")))
    sink = Written()
    deliver_all(parts.delivering(sink))
    assert ("suppressed", "shredded") in rows(parts)
    gone = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    assert gone not in {delivery.record_id for delivery in sink.effects}
    sound(parts)


def test_news_of_a_shredded_patient_is_not_kept(parts: Parts) -> None:
    """A message that comes afterwards, or waited meanwhile, makes no record, keeps no bytes that open, and no key."""
    two(parts)
    shred(parts, "p1")
    receipts = parts.take(message(patient("p1", "Adams-Dole")), message(appointment("a9", "p1")))
    assert [parts.outcomes(receipt.message_id) for receipt in receipts] == [[("suppressed", "shredded")]] * 2
    assert parts.history("Appointment", "a9") == []
    assert parts.keystore.keys_of(TENANT, parts.record("Patient", "p1")) == []
    assert parts.take(message(merged("p1", "p2"), control="late"))
    sound(parts)


def test_another_process_hears_of_it(parts: Parts) -> None:
    """A process that has the key in memory stops opening and sealing with it as soon as it has looked."""
    two(parts)
    assert readable(parts, "Patient", "p1") == [True, True]
    other = parts.place.keystore()
    other.shred(TENANT, parts.record("Patient", "p1"))
    other.close()
    parts.keystore.refresh()
    assert readable(parts, "Patient", "p1") == [False, False]
    with pytest.raises(Shredded):
        parts.keystore.ensure_patients(TENANT, [parts.record("Patient", "p1")])


def test_old_copies_bring_nobody_back(tmp_path: Path) -> None:
    """With data or keystore of before the shredding put back, the next start shreds the patient again."""
    embedded = Place(tmp_path, "embedded")
    parts = embedded.open()
    two(parts)
    parts.close()
    folder, old = tmp_path, tmp_path / "old"
    shutil.copytree(folder / "data", old / "data")
    shutil.copy(folder / "keystore.db", old / "keystore.db")
    parts = embedded.open()
    shred(parts, "p1")
    parts.close()
    for what in ("data", "keystore.db"):
        _put_back(old / what, folder / what)
        parts = embedded.open()
        assert shredder(parts).reconcile(TENANT) == 1
        assert shredder(parts).reconcile(TENANT) == 0
        assert readable(parts, "Patient", "p1") == [False, False]
        assert readable(parts, "Patient", "p2") == [True]
        assert parts.ledger().problems == []
        parts.close()


TEXT = {"channel": "sms", "direction": "outbound", "address": "+13125550147", "text": "zzz-visit"}


def communication(native_id: str, owner: str, **fields: str) -> dict[str, object]:
    """What was sent to a number, of the patient who was named with it; of nobody when ``owner`` is empty."""
    return {
        "type": "Communication", "native_id": native_id, "patient": "+13125550147", "owner": owner,
        "fields": TEXT | fields,
    }  # fmt: skip


def test_what_was_sent_to_a_number_goes_with_the_patient_who_was_named(tmp_path: Path) -> None:
    """A shred takes texts and their fates, in restored copies too; those of another at the same number stay."""
    embedded = Place(tmp_path, "embedded")
    parts = embedded.open()
    parts.take(message(patient("p1", "Adams")), message(patient("p2", "Adams")))
    ids = {name: parts.vault.record_id(TENANT, "told", "Patient", name) for name in ("p1", "p2")}
    sent = [message(communication(f"c-{name}", id, status="sent")) for name, id in ids.items()]
    fates = [message(communication(f"c-{name}", "", status="delivered")) for name in ids]
    receipts = parts.take(*sent, *fates)
    assert [parts.outcomes(one.message_id) for one in receipts] == [[("normalized", "")]] * 4
    parts.close()
    shutil.copytree(tmp_path / "data", tmp_path / "old" / "data")
    shutil.copy(tmp_path / "keystore.db", tmp_path / "old" / "keystore.db")
    parts = embedded.open()
    assert readable(parts, "Communication", "c-p1") == [True, True]
    assert shred(parts, "p1").counts["messages"] == 3  # the patient's own, what was sent, and what became of it
    parts.close()
    for what in ("", "data", "keystore.db"):
        if what:
            _put_back(tmp_path / "old" / what, tmp_path / what)
        parts = embedded.open()
        shredder(parts).reconcile(TENANT)
        assert readable(parts, "Communication", "c-p1") == [False, False], what
        assert readable(parts, "Communication", "c-p2") == [True, True], what
        assert parts.ledger().problems == []
        parts.close()


def test_what_is_said_of_a_shredded_patients_text_is_not_kept(parts: Parts) -> None:
    """A fate that comes after the shredding, and names nobody, goes the way of the text that it is about."""
    parts.take(message(patient("p1", "Adams")))
    id = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    parts.take(message(communication("c1", id)))
    shred(parts, "p1")
    (late,) = parts.take(message(communication("c1", "", status="delivered")))
    assert parts.outcomes(late.message_id) == [("suppressed", "shredded")]


def test_who_is_named_later_gets_what_a_number_had(parts: Parts) -> None:
    """A fate that overtakes the text is the number's until the patient is named, and the patient's from then on."""
    parts.take(message(patient("p1", "Adams")))
    id = parts.vault.record_id(TENANT, "told", "Patient", "p1")
    for owner, status in (("", "sent"), (id, "delivered"), ("", "failed")):
        parts.take(message(communication("c1", owner, status=status)))
    shred(parts, "p1")
    assert readable(parts, "Communication", "c1") == [True, False, False]
    sound(parts)


def _put_back(old: Path, path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
        shutil.copytree(old, path)
    else:
        shutil.copy(old, path)


def test_a_shredding_that_was_cut_off_is_finished(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed right after the list was written, the next start destroys the key."""
    two(parts)

    def killed(self: Keystore, tenant: str, owner: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Keystore, "shred", killed)
        with pytest.raises(KeyboardInterrupt):
            shred(parts, "p1")
    assert readable(parts, "Patient", "p1") == [True, True]
    assert shredder(parts).reconcile(TENANT) == 1
    assert readable(parts, "Patient", "p1") == [False, False]


def test_a_hold_refuses_it(parts: Parts) -> None:
    """While a legal hold stands nothing is shredded."""
    two(parts)
    row = {"tenant": TENANT, "hold": "case-1", "patient": None, "reason": "court", "by": "cli:x", "at": 1}
    parts.store.write_sync(lambda connection: holds.add(connection, row))
    with pytest.raises(InvalidConfiguration, match="hold"):
        shred(parts, "p1")
    assert parts.store.write_sync(lambda connection: holds.end(connection, TENANT, "case-1", 2))
    shred(parts, "p1")


def test_intake_keys_of_past_days_end(parts: Parts) -> None:
    """An intake key of a past day is destroyed when nothing rests on it, and not while a message in quarantine does."""
    two(parts)
    today = parts.vault.intake_key(TENANT)
    empty = parts.keystore.key(TENANT, "intake", b"2020-01-01")
    (held,) = parts.take(message(told={"fault": "content"}, control="held"))
    assert shredder(parts).end_intake_keys(TENANT) == 1
    assert parts.keystore.get(today).alive
    assert parts.outcomes(held.message_id)[-1][0] == "quarantined"
    with pytest.raises(Shredded):
        parts.keystore.get(empty)


@pytest.mark.parametrize("whose", ["p1", "p2"])
def test_a_hold_on_whoever_shares_a_message_refuses_it(parts: Parts, whose: str) -> None:
    """Bytes that tell of a patient under a legal hold are not dropped because they tell of another patient too."""
    two(parts)
    row = {
        "tenant": TENANT, "hold": "case-2", "patient": parts.record("Patient", whose), "reason": "court", "by": "cli:x",
        "at": 1,
    }  # fmt: skip
    parts.store.write_sync(lambda connection: holds.add(connection, row))
    with pytest.raises(InvalidConfiguration, match="hold"):
        shred(parts, "p1")
    assert shredder(parts).reconcile(TENANT) == 0
    assert readable(parts, "Patient", "p1") == [True, True]
    assert parts.store.write_sync(lambda connection: holds.end(connection, TENANT, "case-2", 2))
    shred(parts, "p1")
    sound(parts)


@dataclass
class FullList:
    """A source's full list of its patients, and what it says when it is asked for them."""

    names: tuple[str, ...]
    name: str = "patients"
    type: str = "Patient"
    also: Sequence[tuple[str, str]] = ()
    versioned: bool = True
    history: bool = False

    def owns(self, native_id: str) -> bool:
        """It is the only list."""
        return bool(native_id)

    async def page(self, cursor: str | None) -> SweepPage:
        """All of them on one page."""
        return SweepPage(seen=tuple(map(Seen, self.names)), cursor=None)

    async def look(self, native_ids: Sequence[str]) -> Looked:
        """Only what is listed exists."""
        return Looked(items=(), found=frozenset(self.names))


def test_a_shredded_patient_stops_no_sweep(parts: Parts) -> None:
    """A sweep neither fails for records that open no more, nor counts them among what seems absent."""
    many = [f"s{number}" for number in range(FEW + 1)]
    parts.take(*(message(patient(name, "Adams")) for name in ["p1", "p2", *many]))
    for name in many:
        shred(parts, name)
    sweeper = Sweeper(TENANT, "told", parts.store, parts.vault, parts.audit, interval=1.0, most_absent=0.0)
    asyncio.run(sweeper.run(FullList(("p1",)), parts.receiver()))
    kinds = [row.kind for row in parts.store.read_sync(partial(messages.latest, tenant=TENANT, limit=100))]
    assert kinds.count("absence") == 1
