"""After a rollback: nothing goes on by itself, a person can take the loss on, and nothing is hidden by it."""

from __future__ import annotations

import pytest

from gateway.audit import Search, Wanted, acknowledge
from gateway.errors import IntegrityViolated, InvalidConfiguration
from tests.unit.audit.kept import Kept


def roll_back(kept: Kept, size: int) -> None:
    """The database as it was when the log had ``size`` entries."""
    (gone,) = kept.rows("select count(*) from audit_leaves where tenant = :t and leaf >= :s", s=size)[0]
    assert gone
    kept.sql(
        "delete from audit_rows where tenant = :t and (writer, seq) in"
        " (select writer, seq from audit_leaves where tenant = :t and leaf >= :s)", s=size,
    )  # fmt: skip
    kept.sql("delete from audit_leaves where tenant = :t and leaf >= :s", s=size)
    kept.sql("delete from checkpoints where tenant = :t and size > :s", s=size)
    kept.sequencer = kept.new_sequencer()


def take_on(kept: Kept):
    """Acknowledge as the command does."""
    return acknowledge(kept.store, kept.log, kept.signer, kept.witness, tenant=kept.tenant, actor="cli:ann")


def test_a_rolled_back_log_is_not_gone_on_with(kept: Kept) -> None:
    """No process numbers or signs anything on a shorter log, not even one that never asked the witness before."""
    kept.fill((5, 3, 7))
    roll_back(kept, 8)
    kept.write(kept.entry())
    for _ in range(2):
        with pytest.raises(IntegrityViolated, match="seen 15 audit entries"):
            kept.sign()
    assert len(kept.witness.notes()) == 3
    assert kept.rows("select count(*) from audit_leaves where tenant = :t") == [(8,)]


def test_an_acknowledged_rollback_goes_on_and_is_in_the_log(kept: Kept) -> None:
    """Afterwards the log is valid and goes on, the lost heads are kept aside, and who took it on is an entry."""
    kept.fill((5, 3, 7))
    roll_back(kept, 8)
    before = kept.witness.notes()
    loss = take_on(kept)
    assert (loss.seen, loss.found) == (15, 8)
    assert kept.witness.path.with_name(loss.aside).read_text().count("\n\n\N{EM DASH}") == len(before) == 3
    kept.sign()
    assert kept.verify().valid
    (entry,) = kept.store.read_sync(lambda c: list(Search(c, kept.tenant, Wanted(action="acknowledge")).found()))
    assert (entry.actor, entry.counts) == ("cli:ann", {"seen": 15, "found": 8})
    with pytest.raises(InvalidConfiguration, match="has all"):
        take_on(kept)


def test_tampering_cannot_be_acknowledged(kept: Kept) -> None:
    """Where what is left was changed too, nothing is acknowledged and the witness keeps its file."""
    kept.fill((5, 3, 7))
    roll_back(kept, 8)
    kept.sql("delete from audit_rows where tenant = :t and seq = 2")
    with pytest.raises(IntegrityViolated, match="changed as well"):
        take_on(kept)
    assert len(kept.witness.notes()) == 3


def test_a_lost_file_of_heads_begins_anew_when_somebody_says_so(kept: Kept) -> None:
    """Gone, emptied or cut at its beginning, it stops numbering; taken on, it is whole again, what it had is aside."""
    kept.fill((5, 3, 7))
    whole = kept.witness.path.read_bytes()
    cuts = (None, b"", whole[whole.index(kept.witness.notes()[1].encode()) :])
    for number, cut in enumerate(cuts):
        if cut is None:
            kept.witness.path.unlink()
        else:
            kept.witness.path.write_bytes(cut)
        kept.sequencer = kept.new_sequencer()
        kept.write(kept.entry())
        with pytest.raises(IntegrityViolated, match="gone, empty or cut"):
            kept.sign()
        assert "witness-lacks" in kept.faults()
        loss = take_on(kept)
        assert (loss.seen <= loss.found, loss.missing > 0, bool(loss.aside)) == (True, True, cut is not None)
        kept.sign()
        assert kept.verify().valid
        assert len(kept.witness.notes()) == 3 + number + 1
    found = list(kept.store.read_sync(lambda c: list(Search(c, kept.tenant, Wanted(action="acknowledge")).found())))
    assert {(entry.purpose, entry.outcome) for entry in found} == {("witness", "heads-lost")}
