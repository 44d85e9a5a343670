"""The sequencer: every row once, in order, signed at most once a second, whatever fails in between."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.audit import sequencer as sequencer_module
from gateway.audit.checkpoint import Checkpoint
from gateway.errors import IntegrityViolated, StoreUnavailable
from gateway.store import audit as rows
from tests.unit.audit.kept import Kept


class Undone(Exception):
    """Ends a unit of work."""


def undone(kept: Kept) -> None:
    """A step whose unit fails after it was done."""

    def unit(connection: Connection) -> None:
        kept.sequencer.step(connection)
        raise Undone

    with pytest.raises(Undone):
        kept.store.write_sync(unit)


def test_nothing_new_signs_nothing(kept: Kept) -> None:
    """An idle log gets no checkpoint."""
    assert kept.store.write_sync(kept.sequencer.step) is None
    kept.fill((3,))
    kept.now += 100
    assert kept.store.write_sync(kept.sequencer.step) is None


def test_heads_are_a_second_apart(kept: Kept) -> None:
    """Rows are numbered at once, and signed when a second has passed since the last head."""
    kept.fill((3,))
    signed: list[Checkpoint | None] = []
    for _ in range(10):
        kept.now += 0.25
        kept.write(kept.entry())
        signed.append(kept.store.write_sync(kept.sequencer.step))
    assert [head.size for head in signed if head] == [7, 11]
    assert kept.rows("select max(leaf) + 1 from audit_leaves where tenant = :t") == [(13,)]
    assert kept.verify().unsigned == 2


def test_a_step_that_was_undone_is_done_again(kept: Kept) -> None:
    """Numbering and signing that never committed leave no trace in memory."""
    for _ in range(4):
        kept.write(kept.entry(), kept.entry())
        kept.now += 10
        undone(kept)
        undone(kept)
        kept.sign()
    report = kept.verify()
    assert (report.valid, report.leaves, report.checkpoints, report.pending) == (True, 8, 4, 0)


def test_a_new_process_goes_on(kept: Kept) -> None:
    """A sequencer that starts anew continues the tree, also behind leaves that were not signed yet."""
    for _ in range(3):
        kept.fill((4,))
        kept.write(kept.entry())
        kept.store.write_sync(kept.sequencer.step)
        kept.sequencer = kept.new_sequencer()
        kept.store.read_sync(kept.sequencer.resume)
    kept.sign()
    report = kept.verify()
    assert (report.valid, report.leaves, report.unsigned) == (True, 15, 0)


def test_a_backlog_is_numbered_in_parts(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than one step takes, of several writers, are all numbered, each writer's in order."""
    monkeypatch.setattr(sequencer_module, "MOST", 7)
    for log in (kept.log, AuditLog(kept.store), AuditLog(kept.store)):
        kept.write(*(kept.entry(i) for i in range(20)), log=log)
    kept.sign()
    report = kept.verify()
    assert (report.valid, report.leaves, report.pending) == (True, 60, 0)


def test_a_note_lost_in_a_crash_is_given_again(kept: Kept) -> None:
    """A head that was committed but did not reach the witness reaches it at the next start."""
    kept.fill((2,))
    kept.write(kept.entry())
    kept.now += 10
    kept.store.write_sync(kept.sequencer.step)
    assert kept.verify().witnessed == 2
    kept.store.read_sync(kept.new_sequencer().resume)
    assert kept.verify().witnessed == 3


def test_a_database_cut_shorter_than_the_witness_stops_the_start(kept: Kept) -> None:
    """Rows, leaves and heads that were cut or restored from an older copy are seen at once."""
    kept.fill((3, 4))
    for table, column, last in (("checkpoints", "size", 3), ("audit_leaves", "leaf", 2), ("audit_rows", "seq", 3)):
        kept.sql(f"delete from {table} where tenant = :t and {column} > :last", last=last)
    with pytest.raises(IntegrityViolated, match="witness"):
        kept.store.read_sync(kept.new_sequencer().resume)
    with pytest.raises(IntegrityViolated, match="witness"):
        kept.store.write_sync(kept.sequencer.step)


def test_a_forged_edge_is_not_built_upon(kept: Kept) -> None:
    """A stored frontier that does not match its signed head signs nothing."""
    kept.fill((3,))
    kept.sql("update checkpoints set frontier = :f where tenant = :t", f=bytes(64))
    kept.sequencer = kept.new_sequencer()
    kept.write(kept.entry())
    with pytest.raises(IntegrityViolated, match="edge"):
        kept.sign()


def test_tenants_have_logs_of_their_own(kept: Kept) -> None:
    """Rows of another tenant are neither numbered nor counted."""
    other = Kept(kept.store, f"{kept.tenant}-other", kept.witness.path.with_name("other"))
    kept.fill((2, 2))
    other.fill((3,))
    assert (kept.verify().leaves, other.verify().leaves) == (4, 3)
    assert kept.verify().valid
    assert other.verify().valid


def test_of_two_processes_one_at_a_time_numbers(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another session of the server numbers, nothing is numbered here and it is told; then it goes on."""
    if kept.store.dialect == "sqlite":
        pytest.skip("one process serves an embedded store")
    monkeypatch.setattr(sequencer_module, "MOST_TURNS", 2)
    kept.write(kept.entry(), kept.entry())
    with kept.store._reading.connect() as other:
        assert rows.take_turn(other, kept.tenant)
        assert rows.take_turn(other, f"{kept.tenant}-other")
        with pytest.raises(StoreUnavailable):
            kept.sign()
        assert kept.rows("select count(*) from audit_leaves where tenant = :t") == [(0,)]
    kept.sign()
    assert kept.rows("select count(*) from audit_leaves where tenant = :t") == [(2,)]
    assert kept.verify().valid


def test_the_head_of_a_process_that_died_reaches_the_witness(kept: Kept) -> None:
    """Another process signed and died before it told the witness: the next one here gives it both heads, in order."""
    kept.fill((5,))
    other = kept.new_sequencer()
    kept.store.write_sync(other.resume)
    kept.write(kept.entry())
    assert kept.store.write_sync(other.step) is not None  # committed, and never published
    kept.fill((3,))
    sizes = [int(note.splitlines()[1]) for note in kept.witness.notes()]
    assert sizes == [5, 6, 9]
    assert kept.verify().valid


def test_one_head_taken_out_of_the_file_is_found(kept: Kept) -> None:
    """The file beside the keystore was given every head, so whichever is not in it was taken out."""
    kept.fill((5, 3, 7))
    first, second, third = (note + "\n" for note in kept.witness.notes())
    kept.witness.path.write_text(first + third)
    assert kept.faults() == {"witness-lacks"}
    kept.witness.path.write_text(first + second)  # the newest may be on its way
    assert kept.faults() == set()
