"""Every attack on the log is seen, and a log that nobody touched never looks attacked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit import AuditLog, Signer
from gateway.audit.merkle import Frontier, leaf_hash
from gateway.audit.sequencer import leaf_data
from tests.unit.audit.kept import Kept


def test_a_log_in_peace_is_valid(kept: Kept) -> None:
    """Numbered, signed, waiting and not yet signed rows are all told apart and none is a fault."""
    assert kept.verify().valid
    kept.fill()
    kept.write(kept.entry(), kept.entry())
    report = kept.verify()
    assert (report.valid, report.rows, report.leaves, report.pending, report.witnessed) == (True, 18, 16, 2, 16)
    assert report.checkpoints == 4
    kept.store.write_sync(kept.sequencer.step)
    assert (kept.verify().valid, kept.verify().unsigned) == (True, 2)


def rehash(kept: Kept) -> None:
    """What a thorough attacker does after a change: hash every leaf again."""
    for leaf, writer, seq, body in kept.rows(
        "select l.leaf, l.writer, l.seq, r.body from audit_leaves l join audit_rows r"
        " on r.tenant = l.tenant and r.writer = l.writer and r.seq = l.seq where l.tenant = :t"
    ):
        hashed = leaf_hash(leaf_data(kept.tenant, int(str(writer)), int(str(seq)), bytes(body)))  # type: ignore[call-overload]  # a BLOB
        kept.sql("update audit_leaves set hash = :h where tenant = :t and leaf = :l", h=hashed, l=leaf)


def resign(kept: Kept, signer: Signer) -> None:
    """And what one does who can sign: compute every head again."""
    tree = Frontier()
    hashes = kept.rows("select hash from audit_leaves where tenant = :t order by leaf")
    sizes = {size for (size,) in kept.rows("select size from checkpoints where tenant = :t")}
    for (hashed,) in hashes:
        tree.append(bytes(hashed))  # type: ignore[call-overload]  # a BLOB
        if tree.size in sizes:
            note = signer.sign(tree.size, tree.root()).note
            kept.sql(
                "update checkpoints set note = :n, frontier = :f where tenant = :t and size = :s",
                n=note, f=tree.state(), s=tree.size,
            )  # fmt: skip


def edit(kept: Kept) -> None:
    kept.sql("update audit_rows set body = :b where tenant = :t and seq = 4", b=b'{"actor":"nobody"}')


def edit_and_rehash(kept: Kept) -> None:
    edit(kept)
    rehash(kept)


def recompute_with_own_key(kept: Kept) -> None:
    edit_and_rehash(kept)
    resign(kept, Signer(kept.tenant, Ed25519PrivateKey.generate()))


def recompute_with_stolen_key(kept: Kept) -> None:
    edit_and_rehash(kept)
    resign(kept, kept.signer)


def delete_row(kept: Kept) -> None:
    kept.sql("delete from audit_rows where tenant = :t and seq = 4")


def delete_leaf(kept: Kept) -> None:
    kept.sql("delete from audit_leaves where tenant = :t and leaf = 3")


def delete_row_and_leaf(kept: Kept) -> None:
    delete_row(kept)
    delete_leaf(kept)


def delete_and_close_ranks(kept: Kept) -> None:
    delete_row_and_leaf(kept)
    for leaf in range(4, 16):
        kept.sql("update audit_leaves set leaf = leaf - 1, seq = seq - 1 where tenant = :t and leaf = :l", l=leaf)
        kept.sql("update audit_rows set seq = seq - 1 where tenant = :t and seq = :s", s=leaf + 1)
    rehash(kept)


def delete_and_close_ranks_with_stolen_key(kept: Kept) -> None:
    delete_and_close_ranks(kept)
    kept.sql("delete from checkpoints where tenant = :t and size = 16")
    resign(kept, kept.signer)


def swap_bodies(kept: Kept) -> None:
    one, two = (kept.rows("select body from audit_rows where tenant = :t and seq = :s", s=s)[0][0] for s in (4, 5))
    for seq, body in ((4, two), (5, one)):
        kept.sql("update audit_rows set body = :b where tenant = :t and seq = :s", b=body, s=seq)


def swap_bodies_and_rehash(kept: Kept) -> None:
    swap_bodies(kept)
    rehash(kept)


def swap_places(kept: Kept) -> None:
    """Two rows trade numbers in both tables while texts and leaf hashes stay."""
    for table in ("audit_leaves", "audit_rows"):
        for old, new in ((4, 1000), (5, 4), (1000, 5)):
            kept.sql(f"update {table} set seq = :n where tenant = :t and seq = :o", n=new, o=old)


def swap_leaves(kept: Kept) -> None:
    for old, new in ((3, 1000), (4, 3), (1000, 4)):
        kept.sql("update audit_leaves set leaf = :n where tenant = :t and leaf = :o", n=new, o=old)


def cut_tail(kept: Kept) -> None:
    for table, column, last in (("checkpoints", "size", 8), ("audit_leaves", "leaf", 7), ("audit_rows", "seq", 8)):
        kept.sql(f"delete from {table} where tenant = :t and {column} > :last", last=last)


def cut_rows(kept: Kept) -> None:
    kept.sql("delete from audit_rows where tenant = :t and seq > 8")


def cut_leaves(kept: Kept) -> None:
    """The tail becomes waiting rows, free to be changed before they are numbered again."""
    kept.sql("delete from audit_leaves where tenant = :t and leaf > 7")


def cut_everything(kept: Kept) -> None:
    for table in ("checkpoints", "audit_leaves", "audit_rows"):
        kept.sql(f"delete from {table} where tenant = :t")


def insert_row(kept: Kept) -> None:
    kept.sql("insert into audit_rows select tenant, writer, 99, body from audit_rows where tenant = :t and seq = 1")


def insert_foreign_writer(kept: Kept) -> None:
    kept.sql("insert into audit_rows select tenant, 9999999, seq, body from audit_rows where tenant = :t and seq = 1")


def double_leaf(kept: Kept) -> None:
    kept.sql("update audit_leaves set writer = writer + 1000000 where tenant = :t and leaf = 15")


def delete_checkpoint(kept: Kept) -> None:
    kept.sql("delete from checkpoints where tenant = :t and size = 8")


def swap_checkpoints(kept: Kept) -> None:
    kept.sql(
        "update checkpoints set note = (select c.note from checkpoints c where c.tenant = :t and c.size = 5)"
        " where tenant = :t and size = 8"
    )


def foreign_checkpoint(kept: Kept) -> None:
    note = Signer("elsewhere", kept.key).sign(8, bytes(32)).note
    kept.sql("update checkpoints set note = :n where tenant = :t and size = 8", n=note)


def garbled_checkpoint(kept: Kept) -> None:
    kept.sql("update checkpoints set note = 'nothing' where tenant = :t and size = 8")


def lost_witness(kept: Kept) -> None:
    kept.witness.path.unlink()


def forged_witness(kept: Kept) -> None:
    kept.witness.append(Signer(kept.tenant, Ed25519PrivateKey.generate()).sign(16, bytes(32)))


def split_view(kept: Kept) -> None:
    """The witness was shown another log than the database holds, both properly signed."""
    kept.witness.append(kept.signer.sign(16, bytes(32)))


ATTACKS: dict[Callable[[Kept], None], set[str]] = {
    edit: {"row-changed"},
    edit_and_rehash: {"head-differs"},
    recompute_with_own_key: {"checkpoint-forged", "head-differs"},
    recompute_with_stolen_key: {"head-differs"},
    delete_row: {"row-missing"},
    delete_leaf: {"leaf-missing", "row-skipped", "head-differs"},
    delete_row_and_leaf: {"leaf-missing", "row-skipped", "head-differs"},
    delete_and_close_ranks: {"head-differs", "log-truncated"},
    delete_and_close_ranks_with_stolen_key: {"head-differs", "checkpoint-missing"},
    swap_bodies: {"row-changed"},
    swap_bodies_and_rehash: {"head-differs"},
    swap_places: {"row-skipped", "row-changed"},
    swap_leaves: {"row-skipped", "head-differs"},
    cut_tail: {"log-truncated", "checkpoint-missing"},
    cut_rows: {"row-missing"},
    cut_leaves: {"log-truncated"},
    cut_everything: {"log-truncated", "checkpoint-missing"},
    insert_row: {"row-missing"},
    insert_foreign_writer: {"writer-unknown"},
    double_leaf: {"row-missing", "row-skipped"},
    delete_checkpoint: {"checkpoint-missing"},
    swap_checkpoints: {"checkpoint-swapped"},
    foreign_checkpoint: {"checkpoint-forged"},
    garbled_checkpoint: {"checkpoint-forged"},
    lost_witness: {"witness-empty"},
    forged_witness: {"witness-forged"},
    split_view: {"head-differs"},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_is_seen(kept: Kept, attack: Callable[[Kept], None]) -> None:
    """Editing, deleting, reordering, cutting, adding, recomputing and swapping are found, and named."""
    kept.fill()
    assert kept.verify().valid
    attack(kept)
    report = kept.verify()
    assert not report.valid
    assert ATTACKS[attack] <= {finding.reason for finding in report.findings}
    assert all(finding.where for finding in report.findings)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_single_change_is_seen(kept: Kept, data: st.DataObject) -> None:
    """Any one row of any of the three tables may be deleted, or any column of it changed: each is a fault."""
    if not kept.verify().leaves:
        kept.fill()
    table, key = data.draw(st.sampled_from([("audit_rows", "seq"), ("audit_leaves", "leaf"), ("checkpoints", "size")]))
    rows = kept.rows(f"select {key} from {table} where tenant = :t")
    (chosen,) = data.draw(st.sampled_from(rows))
    columns = {
        "audit_rows": {"seq": 777, "writer": 8888, "body": b"{}", "tenant": "elsewhere"},
        "audit_leaves": {"leaf": 777, "writer": 8888, "seq": 777, "hash": bytes(32), "tenant": "elsewhere"},
        "checkpoints": {"size": 777, "note": "x", "tenant": "elsewhere"},
    }[table]
    column = data.draw(st.sampled_from([None, *columns]))
    everything = kept.rows(f"select * from {table} where tenant = :t and {key} = :k", k=chosen)[0]
    names = kept.store.read_sync(lambda connection: _columns(connection, table))
    if column is None:
        kept.sql(f"delete from {table} where tenant = :t and {key} = :k", k=chosen)
    else:
        kept.sql(f"update {table} set {column} = :v where tenant = :t and {key} = :k", v=columns[column], k=chosen)
    try:
        assert not kept.verify().valid
    finally:
        kept.sql(f"delete from {table} where (tenant = :t or tenant = 'elsewhere') and {key} in (:k, 777)", k=chosen)
        marks = ", ".join(f":{name}" for name in names)
        kept.sql(f"insert into {table} values ({marks})", **dict(zip(names, everything, strict=True)))
    assert kept.verify().valid


def _columns(connection, table: str) -> list[str]:
    return list(connection.exec_driver_sql(f"select * from {table} where 1 = 0").keys())


def test_the_first_faults_are_told_and_all_are_counted(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log torn apart gives a bounded list and the full number."""
    monkeypatch.setattr("gateway.audit.verify.MOST_FINDINGS", 3)
    kept.fill((20,))
    kept.sql("update audit_rows set body = :b where tenant = :t", b=b"{}")
    report = kept.verify()
    assert (len(report.findings), report.faults) == (3, 20)


def test_a_lagging_witness_is_no_fault(kept: Kept) -> None:
    """A head that has not reached the witness yet is not held against the log."""
    kept.fill()
    notes = kept.witness.notes()
    assert kept.verify(notes[:-2]).valid
    assert kept.verify(notes[:-2]).witnessed == 8


def test_other_logs_in_the_witness_are_passed_over(kept: Kept) -> None:
    """A witness that keeps notes of several tenants judges each by its own."""
    kept.fill()
    kept.witness.append(Signer("another", Ed25519PrivateKey.generate()).sign(99, bytes(32)))
    assert kept.verify().valid


def test_findings_hold_no_text_of_rows(kept: Kept) -> None:
    """What an attacker wrote into the log does not come out in a finding."""
    kept.fill()
    kept.sql("update audit_rows set body = :b where tenant = :t", b=b"CANARY")
    kept.sql("update checkpoints set note = 'CANARY' where tenant = :t")
    assert "CANARY" not in repr(kept.verify())


def test_a_new_writer_may_begin_behind_others(kept: Kept) -> None:
    """Rows of a second process that are numbered later are in order for their own writer."""
    kept.fill((3,))
    other = AuditLog(kept.store)
    kept.write(kept.entry(), log=other)
    kept.write(kept.entry())
    kept.sign()
    kept.write(kept.entry(), log=other)
    assert kept.verify().valid
