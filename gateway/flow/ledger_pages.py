"""The ledger of what left over HTTP: every page the audit log names told of exactly the patients it names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from gateway.audit import rows_of
from gateway.store import reading, recount

Report = Callable[[str, str, str], None]


class _About(msgspec.Struct):
    patients: tuple[str, ...] = ()


_about = msgspec.json.Decoder(_About).decode


def named(bodies: Iterable[bytes]) -> dict[int, set[bytes]]:
    """The pages that the audit log says were shown, each with its patients."""
    found: dict[int, set[bytes]] = {}
    for body in bodies:
        patients = {UUID(patient).bytes for patient in _about(body).patients}
        found |= {page: patients for page in rows_of(body, "pages") if isinstance(page, int)}
    return found


def count(connection: Connection, tenant: str, report: Report, patient: bytes | None = None) -> int:
    """Recount all disclosures of pages, or those of one patient; what does not add up is reported.

    A report is (rule, row, what was found).
    """
    audited = named(recount.page_bodies(connection, tenant, patient))
    if patient is not None:
        audited = {page: patients & {patient} for page, patients in audited.items()}
    kept = recount.text_hashes(connection)
    told: dict[int, set[bytes]] = defaultdict(set)
    lost: Counter[str] = Counter()
    for row in reading.disclosed(connection, tenant, patient):
        told[row.page].add(bytes(row.patient))
        if bytes(row.view) not in kept:
            lost[bytes(row.view).hex()] += 1
    for page in sorted(set(audited) | set(told)):
        for lacking in sorted(audited.get(page, set()) - told.get(page, set())):
            report("shown-is-disclosed", f"page {page} patient {UUID(bytes=lacking)}", "its disclosure row is missing")
        for surplus in sorted(told.get(page, set()) - audited.get(page, set())):
            report("disclosed-is-audited", f"page {page} patient {UUID(bytes=surplus)}", "no access entry names it")
    for view, rows in sorted(lost.items()):
        report("view-kept", f"view {view}", f"{rows} disclosures rest on it, and its text is missing")
    return sum(map(len, told.values()))
