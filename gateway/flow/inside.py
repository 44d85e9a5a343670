"""Inside: who else is told of when messages leave as received; each has a line of disclosure, as for a page over HTTP.

The delivery row tells of the patient whose record it is. Everybody else of whom the messages tell gets a disclosure
row, in the commit of the delivery and with an audit entry that names them all, so the ledger of pages recounts them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from gateway.access.views import RAW
from gateway.audit import AuditLog
from gateway.audit.entry import Entry
from gateway.flow.dispatch import Route, Sending
from gateway.flow.parking import DOUBT
from gateway.flow.texts import keep_texts
from gateway.store import reading
from gateway.store.opening import Store

MOST_NAME = 40
"""Letters of a route's name under which what it disclosed in this way is found."""


class InsidePage(NamedTuple):
    """Of one delivery: the entry that names the patients inside, and their rows."""

    entry: Entry
    rows: list[dict[str, Any]]
    text: str
    """What was granted, as a view's text."""


def inside_pages(
    route: Route, sendings: Sequence[Sending], done: Sequence[Mapping[str, Any]], store: Store, audit: AuditLog
) -> list[InsidePage]:
    """For each delivery that happened or may have, with messages that tell of others; ``done`` are delivery rows."""
    inside = {(one.change.lane, one.change.position): one for one in sendings if one.inside}
    if not inside:
        return []
    told = [row for row in done if row["outcome"] == "delivered" or row["reason"].startswith(DOUBT)]
    told = [row for row in told if RAW in row["fields"].split(",")]
    found = [(inside[place], row) for row in told if (place := (row["lane"], row["position"])) in inside]
    return [_page(route, one, row, store.next_id("pages"), audit) for one, row in found]


def disclose_inside(connection: Connection, audit: AuditLog, pages: Sequence[InsidePage]) -> None:
    """Write them, in the unit of work of their deliveries."""
    for page in pages:
        keep_texts(connection, audit, [page.rows[0]["tenant"]], [(page.rows[0]["view"], "view", page.text)])
        audit.append(connection, page.entry)
        reading.disclose(connection, page.rows)


def _page(route: Route, one: Sending, row: Mapping[str, Any], page: int, audit: AuditLog) -> InsidePage:
    patients = sorted(one.inside)
    text = msgspec.json.encode({"view": route.view.name, "grants": {one.change.type: [RAW]}}, order="sorted").decode()
    entry = audit.entry(
        route.tenant, action="deliver", actor=f"route:{route.name}", purpose=route.purpose, outcome="disclosed",
        pages=[page], patients=[str(UUID(bytes=patient)) for patient in patients], counts={"patients": len(patients)},
    )  # fmt: skip
    rows = [
        {
            "tenant": route.tenant, "page": page, "patient": patient, "client": route.name[:MOST_NAME], "records": 1,
            "types": one.change.type, "view": hashlib.sha256(text.encode()).digest(),
            "recipient": route.recipient[:120], "purpose": route.purpose, "at": row["at"],
        }
        for patient in patients
    ]  # fmt: skip
    return InsidePage(entry, rows, text)
