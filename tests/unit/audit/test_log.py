"""The audit log in use: numbers without gaps, and leave to open only for what is committed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

import pytest
from sqlalchemy import Connection

from gateway.audit import AuditLog
from gateway.audit.entry import Entry
from gateway.errors import AccessRefused
from gateway.vault import Place, Vault, row_bytes
from tests.measuring import TURNS, least
from tests.unit.audit.kept import Kept
from tests.unit.vault.opened import Opened


class Undone(Exception):
    """Ends a unit of work."""


def test_a_unit_that_is_undone_leaves_no_gap(kept: Kept) -> None:
    """Units that fail between units that succeed give their numbers back."""

    def failing(connection: Connection) -> None:
        kept.log.append(connection, kept.entry())
        kept.log.append(connection, kept.entry())
        raise Undone

    for _ in range(5):
        kept.write(kept.entry(), kept.entry())
        with pytest.raises(Undone):
            kept.store.write_sync(failing)
    numbers = [row[0] for row in kept.rows("select seq from audit_rows where tenant = :t order by seq")]
    assert numbers == list(range(1, 11))


def test_units_of_many_threads_leave_no_gap(kept: Kept) -> None:
    """Group commits of units from eight threads, some of them failing, number every row once."""

    def unit(connection: Connection, number: int) -> None:
        kept.log.append(connection, kept.entry(number))
        if number % 3 == 0:
            raise Undone

    def work(number: int) -> bool:
        try:
            kept.store.write_sync(lambda connection: unit(connection, number))
        except Undone:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        done = sum(threads.map(work, range(120)))
    assert done == 80
    assert kept.rows("select count(*), max(seq) from audit_rows where tenant = :t") == [(80, 80)]
    kept.sign()
    assert kept.verify().valid


def test_every_process_start_writes_under_its_own_number(kept: Kept) -> None:
    """Two logs on one store never share a writer, and both are numbered into one tree."""
    other = AuditLog(kept.store)
    kept.write(kept.entry())
    kept.write(kept.entry(), kept.entry(), log=other)
    assert len(kept.rows("select distinct writer from audit_rows where tenant = :t")) == 2
    kept.sign()
    assert (kept.verify().leaves, kept.verify().valid) == (3, True)


def test_a_grant_needs_a_committed_entry(kept: Kept) -> None:
    """An entry never appended, one still inside its unit, and one whose unit was undone give no leave to open."""
    entry = kept.entry(1)
    with pytest.raises(AccessRefused):
        kept.log.grant(entry)

    def early(connection: Connection) -> None:
        kept.log.append(connection, entry)
        kept.log.grant(entry)

    with pytest.raises(AccessRefused):
        kept.store.write_sync(early)
    with pytest.raises(AccessRefused):
        kept.log.grant(entry)
    kept.write(kept.entry(2))
    with pytest.raises(AccessRefused):
        kept.log.grant(entry)
    kept.write(entry)
    with kept.log.grant(entry) as grant:
        assert kept.log.is_committed(grant)
    assert not kept.log.is_committed(grant)


def test_a_grant_of_another_log_is_none(kept: Kept) -> None:
    """Only the log that gave a grant vouches for it."""
    entry = kept.entry(1)
    kept.write(entry)
    with kept.log.grant(entry) as grant:
        assert not AuditLog(kept.store).is_committed(grant)


def test_the_vault_opens_what_the_log_granted(kept: Kept, tmp_path: Path) -> None:
    """Vault and log together: named rows open while the grant lasts, nothing else and not afterwards."""
    opened = Opened(tmp_path)
    vault = Vault(opened.keystore, kept.log.is_committed)
    places = [Place(kept.tenant, "messages", "box", row_bytes(number)) for number in (1, 2)]
    sealed = [vault.seal(vault.intake_key(kept.tenant), place, b"value") for place in places]
    entry = kept.entry(1)
    kept.write(entry)
    with kept.log.grant(entry) as grant:
        assert vault.open(grant, places[0], sealed[0]) == b"value"
        with pytest.raises(AccessRefused):
            vault.open(grant, places[1], sealed[1])
    with pytest.raises(AccessRefused):
        vault.open(grant, places[0], sealed[0])
    opened.keystore.close()


def test_five_thousand_rows_a_second(kept: Kept) -> None:
    """Appending 5,000 rows takes under a second of process time, and so does numbering and signing them."""
    limit = 0.2 if kept.store.dialect == "sqlite" else inf  # a server's own time is not this process's
    appended = numbered = inf
    for turn in range(1, TURNS + 1):
        entries = [kept.entry(at) for at in range(1000)]

        def append(rows: list[Entry] = entries) -> None:
            for first in range(0, len(rows), 64):
                kept.write(*rows[first : first + 64])

        appended = min(appended, least(append, enough=limit, turns=1))
        numbered = min(numbered, least(kept.sign, enough=limit, turns=1))
        assert kept.rows("select count(*) from audit_leaves where tenant = :t") == [(1000 * turn,)]
        if max(appended, numbered) <= limit:
            break
    print(f"append {1000 / appended:.0f} rows/s, number and sign {1000 / numbered:.0f} rows/s")
    assert max(appended, numbered) <= limit
