"""Audit log, keys, search and accounting of disclosures at the size of years of work, seeded in bulk through the code.

A small share of the rows unless :func:`use_full` was called; the figures asked for are those of the full amounts, save
times that grow with the amount, which are asked for by the same share.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from benchmarks import clinic_records, house
from benchmarks.clinic_records import SEED, id_of
from benchmarks.report import Asked, Row, Section
from gateway.audit import Entry, prove
from gateway.bootstrap import Gateway
from gateway.flow import patient_index as index
from gateway.flow.clock import micros
from gateway.flow.route import Filter
from gateway.store import audit as audit_store
from gateway.store import deliveries, journal, patient_index
from gateway.store.bulk import Bulk
from gateway.store.schema_audit import audit_rows
from gateway.vault.rotation import Rotation

ENTRIES, PATIENTS, SENDS = 10_000_000, 1_000_000, 10_000_000
APPENDED = 20_000
ROUTES = 10
"""Sends of each record, every one to somebody else."""
SENT_AT_ONCE = 20
"""Sends in one dispatch, and so in one entry of the audit log."""
ROWS_AT_ONCE, PATIENTS_AT_ONCE, SENT_OF_AT_ONCE = 50_000, 500, 100
"""Entries, patients, and patients with their sends in one unit of work.

Pages that a statement changes are kept until its unit's end, in memory, as a list that each statement of the unit goes
through from its beginning: many statements in one unit cost by the square. Many rows in one statement do not.
"""
UNDER_WAY = 2
"""Units that the store has not written yet while others are sealed."""
NUMBERED_OF_AT_ONCE = 2000
"""Patients of whose sends the entries are numbered in one go; 1,000 entries for each hundred."""
SIGNED_SECONDS = 1.1
"""A head is signed at most once a second."""
TIMES, RUNS = 200, 3
"""How often each question is asked, and each command run."""
APPEND, PROOF_MS, REWRAP_MINUTES, SEARCH_MS, ACCOUNTING_SECONDS = 5000, 100.0, 10.0, 50.0, 10.0
_share = 0.02
_add_rows = Bulk(audit_rows.insert())


def use_full() -> None:
    """From now on as many rows as the figures are asked for."""
    global _share  # noqa: PLW0603 - one switch of one program, set before anything is measured
    _share = 1.0


def _amount(full: int, scale: float) -> int:
    return max(1000, int(full * _share * scale))


def _shown(what: str, ranges: Iterable[range], total: int) -> Iterator[range]:
    """The same ranges, telling now and then how far they have come."""
    begin = told = time.perf_counter()
    for one in ranges:
        yield one
        if (now := time.perf_counter()) - told > 10:
            told = now
            print(f"      {what}: {one.stop:,} of {total:,}, {now - begin:.0f} s", file=sys.stderr, flush=True)


def _store_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in (folder / "data").glob("gateway.db*")) / 1e6


# --- the audit log ----------------------------------------------------------------------------------------------------


def measure_audit(scale: float) -> Section:
    """Append entries one by one, then prove entries of a long log."""
    total = _amount(ENTRIES, scale)
    with house.scratch() as folder, house.opened(folder) as gateway:
        appended = max((_append(gateway, max(1000, int(APPENDED * scale))) for _ in range(3)), key=lambda one: one[0])
        begin = time.perf_counter()
        _lengthen(gateway, total)
        seeded = time.perf_counter() - begin
        proof = _prove(gateway, total)
        size = _store_mb(folder)
    rate, clock = appended
    return Section(
        "trust-audit",
        f"Audit log of {total:,} entries",
        [
            {
                "appended/s of processor time": rate, "appended/s on the clock": clock, "entries": total,
                "seeded s": seeded, "store MB": size, **proof,
            }
        ],
        [
            Asked("audit append, numbered in the tree and signed", f"{APPEND:,} entries/s", f"{rate:,.0f}/s",
                  rate >= APPEND),
            Asked(f"inclusion proof among {total:,} entries: p99", f"under {PROOF_MS:.0f} ms",
                  f"{proof['proof p99 ms']:.1f} ms", proof["proof p99 ms"] < PROOF_MS),
        ],
        [
            (
                "Appended: each entry in a unit of work of its own, committed in groups as they come, the best of three"
                " turns. A proof reads the entry, its way to the newest signed head and that head, and is checked."
            )
        ],
    )  # fmt: skip


def _append(gateway: Gateway, count: int) -> tuple[float, float]:
    """Entries a second of processor time and on the clock, until every one has its leaf."""
    audit = gateway.audit
    begin, used = time.perf_counter(), time.process_time()
    futures = []
    for number in range(count):
        entry = _entry(gateway, number)
        futures.append(gateway.store.submit(partial(audit.append, entry=entry)))
    for future in futures:
        future.result(60)
    gateway.sequence()
    return count / (time.process_time() - used), count / (time.perf_counter() - begin)


def _entry(gateway: Gateway, number: int) -> Any:
    patient = str(UUID(int=number % 50_000))
    return gateway.audit.entry(
        house.TENANT, action="deliver", actor="route:desk", purpose="operations", patients=[patient],
        counts={"delivered": 1}, outcome="sent",
    )  # fmt: skip


def _lengthen(gateway: Gateway, total: int) -> None:
    """Entries as a process that ran for years has left them, numbered and signed as ever."""
    writer = gateway.store.write_sync(audit_store.register_writer)
    bodies = [_entry(gateway, number).body for number in range(1000)]
    for some in _shown("audit", clinic_records.parts(total, ROWS_AT_ONCE), total):
        rows = [
            {"tenant": house.TENANT, "writer": writer, "seq": number + 1, "body": bodies[number % len(bodies)]}
            for number in some
        ]
        gateway.store.write_sync(partial(_add_rows, rows=rows))
        gateway.sequence()
    time.sleep(SIGNED_SECONDS)
    gateway.sequence()


def _prove(gateway: Gateway, total: int) -> dict[str, float]:
    keys = [gateway.seals[house.TENANT].signer.public_key]
    draw = Random(SEED)
    signed = gateway.store.read_sync(partial(audit_store.last_checkpoint, tenant=house.TENANT))
    if signed is None or signed.size < total:
        raise RuntimeError("the log is not signed")

    def one() -> None:
        leaf = draw.randrange(signed.size)
        gateway.store.read_sync(lambda connection: prove(connection, house.TENANT, leaf, keys))

    return _latency("proof", one)


def _latency(what: str, one: Callable[[], object]) -> dict[str, float]:
    """Of many times: median and 99th percentile in milliseconds on the clock."""
    taken = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        one()
        taken.append((time.perf_counter() - begin) * 1000)
    taken.sort()
    return {f"{what} p50 ms": taken[TIMES // 2], f"{what} p99 ms": taken[TIMES * 99 // 100]}


# --- patients and their keys ------------------------------------------------------------------------------------------


def measure_patients(scale: float) -> Section:
    """Find patients among many by what is sealed, then give their clinic group a new key."""
    total = _amount(PATIENTS, scale)
    with house.scratch() as folder:
        begin = time.perf_counter()
        with house.seeding(folder) as gateway:
            _register(gateway, total)
        seeded = time.perf_counter() - begin
        with house.reopened(folder) as gateway:
            found = _search(gateway, total)
            size = _store_mb(folder)
            moved, seconds, used = _rewrap(gateway)
    if moved < total:
        raise RuntimeError(f"{moved} of {total} keys were moved")
    most = REWRAP_MINUTES * 60 * total / PATIENTS
    worst = max(float(row["p99 ms"]) for row in found)
    seed: Row = {"work": "seed", "patients": total, "seconds": seeded, "store MB": size}
    keys: Row = {
        "work": "re-wrap every key", "patients": total, "seconds": seconds, "keys/s": moved / seconds, "CPU s": used,
    }  # fmt: skip
    return Section(
        "trust-patients",
        f"{total:,} encrypted patients, each with a key of their own",
        [*found, seed, keys],
        [
            Asked(f"search by MRN, phone, name and birth date among {total:,} patients: worst p99",
                  f"under {SEARCH_MS:.0f} ms", f"{worst:.1f} ms", worst < SEARCH_MS),
            Asked(f"re-wrap of {total:,} patient keys under a new tenant key", f"under {most:.0f} s",
                  f"{seconds:.1f} s", seconds < most),
        ],
        ["A search counts until its entry is durable in the audit log, which is before anything is told."],
    )  # fmt: skip


def _register(gateway: Gateway, total: int) -> None:
    """Patients with what they are found by."""

    def submitted(some: range) -> Future[None]:
        told = list(clinic_records.records(gateway, some, 0))
        return clinic_records.submit(gateway, told, partial(_index, _index_rows(gateway, told)))

    _finish(map(submitted, _shown("patients", clinic_records.parts(total, PATIENTS_AT_ONCE), total)))


def _finish(commits: Iterable[Future[None]]) -> None:
    """Wait for each commit when a few more are under way: rows are sealed while the store writes those before."""
    under_way: deque[Future[None]] = deque()
    for commit in commits:
        under_way.append(commit)
        if len(under_way) > UNDER_WAY:
            under_way.popleft().result()
    for commit in under_way:
        commit.result()


def _index_rows(gateway: Gateway, told: list[clinic_records.Record]) -> list[dict[str, Any]]:
    rows = [
        row
        for _, native, _, fields in told
        for row in index.index_rows(
            gateway.vault, house.TENANT, id_of(gateway, "Patient", native), native, json.dumps(fields).encode()
        )
    ]
    return sorted(rows, key=lambda row: (row["kind"], row["blind"]))


def _index(rows: list[dict[str, Any]], connection: Any, _: list[dict[str, Any]]) -> None:
    patient_index.put(connection, house.TENANT, [], rows)


def _search(gateway: Gateway, total: int) -> list[Row]:
    draw = Random(SEED)
    rows: list[Row] = []
    for name, kind in (("MRN", index.MRN), ("phone", index.PHONE), ("name and birth date", index.NAME)):
        most = 0

        def one(kind: int = kind) -> None:
            nonlocal most
            number = draw.randrange(total)
            [(_, native, _, fields)] = clinic_records.records(gateway, range(number, number + 1), 0)
            value = [value for its, value in index.values(native, fields) if its == kind][-1]
            asked = index.Asked(house.TENANT, "bench", kind, value)
            found = index.search(gateway.store, gateway.vault, gateway.audit, asked)
            if str(UUID(bytes=id_of(gateway, "Patient", native))) not in found:
                raise RuntimeError("a patient is not found")
            most = max(most, len(found))

        taken = _latency("search", one)
        rows.append(
            {"work": f"search by {name}", "patients": total, "p50 ms": taken["search p50 ms"],
             "p99 ms": taken["search p99 ms"], "most found": most}
        )  # fmt: skip
    return rows


def _rewrap(gateway: Gateway) -> tuple[int, float, float]:
    """Keys moved, seconds on the clock and of processor time, of a rotation to its last key."""
    rotation, moved = Rotation(gateway.vault.keystore), 0
    begin, used = time.perf_counter(), time.process_time()
    rotation.begin_tenant(house.TENANT)
    while step := rotation.tenant_step(house.TENANT):
        moved += step
    taken = time.perf_counter() - begin, time.process_time() - used
    if rotation.tenant_left(house.TENANT):
        raise RuntimeError("keys are left")
    return moved, *taken


# --- disclosures ------------------------------------------------------------------------------------------------------


def measure_disclosures(scale: float) -> Section:
    """``gateway disclosures`` of one patient beside everybody else's sends, with its recount of what may be missing."""
    patients = _amount(SENDS, scale) // (ROUTES * clinic_records.OF_A_PATIENT)
    total = patients * ROUTES * clinic_records.OF_A_PATIENT
    with house.scratch() as folder:
        begin = time.perf_counter()
        with house.seeding(folder) as gateway:
            _send(gateway, patients)
            owner = str(UUID(bytes=id_of(gateway, "Patient", f"p{patients // 2}")))
        seeded = time.perf_counter() - begin
        size = _store_mb(folder)
        taken = [house.commanded(folder, "disclosures", owner, "--json") for _ in range(RUNS)]
    of_one = ROUTES * clinic_records.OF_A_PATIENT
    for told, _, _ in taken:
        if len(told["disclosures"]) != of_one or told["problems"]:
            raise RuntimeError("a disclosure is missing")
    _, seconds, used = min(taken, key=lambda one: one[1])
    return Section(
        "trust-disclosures",
        f"Accounting of disclosures over {total:,} sends",
        [
            {
                "sends": total, "of the patient": of_one, "seconds": seconds, "CPU s": used, "seeded s": seeded,
                "store MB": size,
            }
        ],
        [
            Asked(f"accounting of disclosures of a patient, over {total:,} sends", f"under {ACCOUNTING_SECONDS:.0f} s",
                  f"{seconds:.2f} s", seconds < ACCOUNTING_SECONDS),
        ],
        [
            (
                "The whole command, from its start to its end: the look is logged, the list made, and every delivery"
                f" and page that could be missing from it recounted. Best of {RUNS}."
                f" The audit log has an entry for every {SENT_AT_ONCE} sends."
            )
        ],
    )  # fmt: skip


def _send(gateway: Gateway, patients: int) -> None:
    """Records, and their sends by every route, as routes leave them that are done."""
    names = [f"partner{number}" for number in range(ROUTES)]
    wanted = Filter(frozenset({"Appointment", "Patient"})).text

    def begin(connection: Any) -> None:
        for name in names:
            deliveries.register(connection, house.TENANT, name, wanted, micros(), now=False)

    def end(connection: Any) -> None:
        heads = journal.heads(connection, house.TENANT)
        for name in names:
            deliveries.move_cursors(connection, house.TENANT, name, heads)

    def commits() -> Iterator[Future[None]]:
        for some in _shown("patients sent of", clinic_records.parts(patients, SENT_OF_AT_ONCE), patients):
            if some.start % NUMBERED_OF_AT_ONCE == 0:
                gateway.sequence()
            entries: list[Entry] = []
            told = list(clinic_records.records(gateway, some))
            yield clinic_records.submit(gateway, told, partial(_sent, gateway, names, entries))
            yield gateway.store.submit(partial(_told, gateway, entries))

    gateway.store.write_sync(begin)
    _finish(commits())
    gateway.store.write_sync(end)
    gateway.sequence()


def _sent(
    gateway: Gateway, names: list[str], entries: list[Entry], connection: Any, told: list[dict[str, Any]]
) -> None:
    now, in_order = micros(), sorted(told, key=lambda row: (row["lane"], row["position"]))
    for name in names:
        done = [
            {
                "tenant": house.TENANT, "route": name, "lane": row["lane"], "position": row["position"], "attempt": 0,
                "outcome": "delivered", "reason": "", "receipt": f"{name}-{row['lane']}-{row['position']}",
                "effect": row["record_id"], "patient": row["patient"], "recipient": name, "purpose": "operations",
                "fields": "start,end,zone,status,patient", "at": now,
            }
            for row in in_order
        ]  # fmt: skip
        deliveries.add(connection, done)
        for at in range(0, len(done), SENT_AT_ONCE):
            some = done[at : at + SENT_AT_ONCE]
            entries.append(
                gateway.audit.entry(
                    house.TENANT, action="deliver", actor=f"route:{name}", purpose="operations",
                    patients={str(UUID(bytes=row["patient"])) for row in some}, counts={"delivered": len(some)},
                    outcome="sent",
                )
            )  # fmt: skip


def _told(gateway: Gateway, entries: list[Entry], connection: Any) -> None:
    """The entries, in a unit of their own: see ``ROWS_AT_ONCE``."""
    for entry in entries:
        gateway.audit.append(connection, entry)
