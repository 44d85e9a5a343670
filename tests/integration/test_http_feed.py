"""The feed over real HTTP: at least once, in order, nothing ungranted, and every page on the patients' lists."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.client import IncompleteRead
from typing import Any

import pytest
from sqlalchemy import delete, update

from gateway.access import View, secrets
from gateway.flow.clock import micros
from gateway.flow.lanes import journal_lane
from gateway.flow.ledger import BOUND
from gateway.flow.texts import keep_texts
from gateway.http import directory, feed, house
from gateway.http.feed import _with_content
from gateway.http.reading import Reader
from gateway.store import agreements, clients, journal, reviewing
from gateway.store.schema import changes
from gateway.store.schema_http import disclosures
from tests.integration.parts import TENANT, VIEW, Parts, appointment, merged, message, patient, removed
from tests.integration.serving import Served, serving
from tests.waiting import wait_until

NARROW = View("narrow", {"Appointment": ["start"]})


def add_client(parts: Parts, **fields: Any) -> tuple[str, str]:
    """Register a client as the command does; its id and key."""
    made, name = secrets.make(), secrets.client_id()
    row = {
        "client": name, "tenant": TENANT, "name": "biller", "view": "plain", "purpose": "payment",
        "recipient": "billing company", "scopes": "", "locations": "[]", "hook_hosts": "[]", "quota": 100_000,
        "jwks": "", "created_at": micros(), "revoked_at": None,
    } | fields  # fmt: skip

    def unit(connection: Any) -> None:
        journal.ensure_lanes(connection, "southside")
        clients.add(connection, row)
        clients.add_secret(connection, name, made.public, made.hash, micros())
        texts = [(bytes.fromhex(view.version), "view", view.text) for view in (VIEW, NARROW)]
        keep_texts(connection, parts.audit, [TENANT], texts)

    parts.store.write_sync(unit)
    return name, made.text


HOLD = directory.HOLD_SECONDS


@pytest.fixture
def served(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server with one client and three patients, which looks up its clients more often than others."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    for native_id in ("p1", "p2", "p3"):
        parts.take(
            message(patient(native_id, "A"), appointment(f"a-{native_id}", native_id, reason="knee")),
            message(patient(native_id, "B")),
            message(appointment(f"a-{native_id}", native_id, status="confirmed", room="2")),
        )
    with serving(parts, views={"narrow": NARROW}) as running:
        running.key = add_client(parts)[1]
        yield running


def pulled(served: Served, limit: int = 1000, **more: Any) -> list[dict[str, Any]]:
    """Everything from the beginning, page by page."""
    found, cursor = [], ""
    while True:
        page = served.ask(f"/v1/changes?limit={limit}&after={cursor}", **more).json
        found += page["changes"]
        cursor = page["cursor"]
        if not page["changes"]:
            return found


def test_changes_come_in_order_with_granted_fields_only(served: Served) -> None:
    """Every change comes once over any page size, versions of a record in order, and no ungranted field leaves."""
    found = pulled(served)
    assert len(found) == 12
    for limit in (1, 5):
        assert sorted(map(str, pulled(served, limit))) == sorted(map(str, found))
    versions: dict[str, list[int]] = {}
    for change in pulled(served, 3):
        versions.setdefault(change["id"], []).append(change["version"])
    assert all(numbers == [1, 2] for numbers in versions.values())
    fields = {field for change in found for field in change["record"]}
    assert fields == {"name", "start", "status", "patient", "reason"}
    assert served.parts.ledger().problems == []


def test_ndjson_is_the_same_with_a_cursor_behind_every_page(served: Served) -> None:
    """NDJSON holds the same changes; each cursor line resumes right behind the lines above it."""
    lines = served.ask("/v1/changes", headers={"Accept": "application/x-ndjson"}).body.splitlines()
    told = [json.loads(line) for line in lines]
    assert [one for one in told if "change" in one] == pulled(served)
    assert "cursor" in told[-1]
    assert served.ask(f"/v1/changes?after={told[-1]['cursor']}").json["changes"] == []


def test_a_reader_that_waits_is_woken_by_a_change(served: Served) -> None:
    """A long poll answers soon after the change, and not before; a cursor taken before finds it again."""
    cursor = served.ask("/v1/changes?limit=1000").json["cursor"]
    begun = time.monotonic()
    assert served.ask(f"/v1/changes?after={cursor}&wait=0.5").json["changes"] == []
    assert time.monotonic() - begun >= 0.5
    timer = threading.Timer(0.4, lambda: served.parts.take(message(patient("p1", "C"))))
    timer.start()
    begun = time.monotonic()
    page = served.ask(f"/v1/changes?after={cursor}&wait=50").json
    timer.join()
    assert [change["record"]["name"]["family"] for change in page["changes"]] == ["C"]
    assert time.monotonic() - begun < 40
    assert served.ask(f"/v1/changes?after={cursor}").json["changes"] == page["changes"]


def test_a_merge_comes_after_all_of_both_patients(served: Served) -> None:
    """Read one change at a time, nothing of either patient from before the merge comes after what follows it."""
    served.parts.take(message(merged("p1", "p2"), key="p1"))
    served.parts.take(message(patient("p2", "Z")))
    kinds = [(change["change"], change["record"].get("name", {}).get("family")) for change in pulled(served, 1)]
    assert kinds.index(("merged", "B")) < kinds.index(("updated", "Z"))
    assert kinds.count(("merged", "B")) == 1


def test_a_snapshot_and_the_changes_after_it_leave_nothing_out(served: Served) -> None:
    """Records as they stand, without removed ones, page by page; what changes meanwhile follows."""
    served.parts.take(message(removed("Appointment", "a-p3", of="p3"), key="p3"))
    found, token = [], ""
    while True:
        page = served.ask(f"/v1/snapshots?limit=2&after={token}").json
        found += page["records"]
        if len(found) == 2:
            served.parts.take(message(patient("p9", "New")))
        if "cursor" in page:
            break
        token = page["next"]
    families = {one["record"]["name"]["family"] for one in found if one["type"] == "Patient"}
    assert families <= {"B", "New"}
    assert sum(one["type"] == "Appointment" for one in found) == 2
    after = served.ask(f"/v1/changes?after={page['cursor']}").json["changes"]
    assert [change["record"]["name"]["family"] for change in after] == ["New"]
    lines = served.ask("/v1/snapshots?types=Patient", headers={"Accept": "application/x-ndjson"}).body.splitlines()
    assert len(lines) == 5


def test_lists_and_single_records(served: Served) -> None:
    """A list by patient holds that patient's records, pages go on by next, and an id reads one record."""
    (first, *_) = served.ask("/v1/Patient").json["records"]
    mine = served.ask(f"/v1/Appointment?patient={first['id']}").json["records"]
    assert [one["record"]["patient"] for one in mine] == [first["id"]]
    page = served.ask("/v1/Patient?limit=2").json
    rest = served.ask(f"/v1/Patient?limit=2&after={page['next']}").json
    assert len({one["id"] for one in page["records"] + rest["records"]}) == 3
    assert "next" not in rest
    assert served.ask(f"/v1/Patient/{first['id']}").json == first
    assert served.ask(f"/v1/Appointment/{first['id']}").status == 404
    assert served.ask("/v1/Patient?changed_since=2099-01-01T00:00:00Z").json["records"] == []
    assert served.ask("/v1/Remittance").status == 404


def test_every_page_is_on_the_patients_lists(served: Served) -> None:
    """One access entry and one disclosure row per patient and page; losing a row, or moving one, is found."""
    before = served.parts.ledger().disclosed
    served.ask("/v1/changes")
    assert served.parts.ledger().disclosed == before + 3
    (row, *_) = served.parts.store.read_sync(
        lambda c: list(reviewing.shown_to(c, TENANT, served.parts.record("Patient", "p1"), 0, 2**62))
    )
    assert (row.types, row.records, row.recipient) == ("Appointment,Patient", 4, "billing company")
    chosen = (disclosures.c.page == row.page) & (disclosures.c.patient == row.patient)
    move = update(disclosures).where(chosen).values(page=10**12)
    served.parts.store.write_sync(lambda connection: connection.execute(move))
    moved = {BOUND} if served.parts.store.dialect == "postgresql" else set()
    rules = {one.rule for one in served.parts.ledger().problems}
    assert rules == moved | {"shown-is-disclosed", "disclosed-is-audited"}
    drop = delete(disclosures).where(disclosures.c.page == 10**12)
    served.parts.store.write_sync(lambda connection: connection.execute(drop))
    assert [one.rule for one in served.parts.ledger().problems] == ["shown-is-disclosed"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/changes?after=garbage", 400),
        ("/v1/changes?after=%00%ff", 400),
        ("/v1/changes?types=Remittance", 400),
        ("/v1/changes?limit=0", 422),
        ("/v1/changes?wait=3600", 422),
        ("/v1/snapshots?after=AAAA", 400),
        ("/v1/Patient?patient=nobody", 400),
        ("/v1/Patient/not-an-id", 400),
        ("/v1/Patient?changed_since=2026-01-01T00:00:00", 400),
        ("/v1/Patient?changed_since=0001-01-01T00:00:00%2B14:00", 400),
        ("/v1/Patient?source=%00", 422),
    ],
)
def test_a_wrong_request_is_told_what_and_where(served: Served, path: str, status: int) -> None:
    """A wrong cursor, type, number or id is a client error with the parameter's name."""
    answer = served.ask(path)
    assert answer.status == status
    assert answer.json["where"]


def test_another_tenants_client_sees_nothing_of_this_one(served: Served) -> None:
    """Neither lists nor ids nor cursors reach over to another tenant."""
    cursor = served.ask("/v1/changes").json["cursor"]
    (first, *_) = served.ask("/v1/Patient").json["records"]
    _, key = add_client(served.parts, tenant="southside")
    time.sleep(0.15)
    assert served.ask("/v1/changes", key=key).json["changes"] == []
    assert served.ask("/v1/Patient", key=key).json["records"] == []
    assert served.ask(f"/v1/Patient/{first['id']}", key=key).status == 404
    assert served.ask(f"/v1/changes?after={cursor}", key=key).status == 400


def test_scopes_views_and_locations_narrow_what_a_client_sees(served: Served) -> None:
    """A view without a type, a scope without it, or a clinic elsewhere leaves nothing of it to see."""
    keys = [
        add_client(served.parts, view="narrow")[1],
        add_client(served.parts, scopes="system/Appointment.rs")[1],
        add_client(served.parts, locations=json.dumps(["00" * 16]))[1],
    ]
    time.sleep(0.15)
    seen = [pulled(served, key=key) for key in keys]
    assert {tuple(change["record"]) for change in seen[0]} == {("start",)}
    assert {change["type"] for change in seen[1]} == {"Appointment"}
    assert seen[2] == []
    assert served.ask("/v1/Patient", key=keys[1]).status == 404
    assert served.ask(f"/v1/Appointment?patient={'00' * 16}", key=keys[0]).json["where"] == "patient"


def test_a_revoked_client_is_out_within_five_seconds(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown, mistyped, rotated-out and revoked keys are refused, the last within five seconds."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", HOLD)
    name, key = add_client(served.parts)
    for wrong in ("nobody", key[:-1] + ("x" if key[-1] != "x" else "y"), secrets.make().text, "egt_a.b"):
        assert served.ask("/v1/changes", key=wrong).status == 401
    assert served.ask("/health", key="").status == 200
    assert served.ask("/v1/changes", headers={"Authorization": "Basic x"}, key="").status == 401
    wait_until(lambda: served.ask("/v1/changes?limit=1", key=key).status == 200, "the new client is not known")
    served.parts.store.write_sync(lambda connection: clients.revoke(connection, name, micros()))
    deadline = time.monotonic() + 5
    while served.ask("/v1/changes?limit=1", key=key).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert served.ask("/v1/changes", key=key).headers["WWW-Authenticate"].startswith("Bearer")


def test_a_reader_that_waits_when_it_is_revoked_gets_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long poll that was let in before its client was revoked is refused the change that comes afterwards."""
    name, key = add_client(served.parts)
    wait_until(lambda: served.ask("/v1/changes?limit=1", key=key).status == 200, "the new client is not known")
    cursor = served.ask("/v1/changes?limit=1000", key=key).json["cursor"]
    waits, wait, answers = threading.Event(), served.house.news.wait, []

    async def told(tenant: str, seconds: float) -> None:
        waits.set()
        await wait(tenant, seconds)

    monkeypatch.setattr(served.house.news, "wait", told)
    poll = f"/v1/changes?after={cursor}&wait=50"
    waiting = threading.Thread(target=lambda: answers.append(served.ask(poll, key=key)))
    waiting.start()
    assert waits.wait(60)
    served.parts.store.write_sync(lambda connection: clients.revoke(connection, name, micros()))
    time.sleep(0.3)
    served.parts.take(message(patient("p1", "C")))
    waiting.join(60)
    assert [one.status for one in answers] == [401]
    (page,) = served.ask(poll).json["changes"]
    assert page["record"]["name"]["family"] == "C"


def test_one_client_that_waits_too_often_leaves_the_others_their_places(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over so many waiting requests of a client the next is refused; others are served, and so is it afterwards."""
    monkeypatch.setattr(house, "MOST_WAITING", 2)
    _, other = add_client(served.parts)
    end = f"/v1/changes?after={served.ask('/v1/changes?limit=1000').json['cursor']}"
    poll = f"{end}&wait=50"
    answers: list[int] = []
    waiting = [threading.Thread(target=lambda: answers.append(served.ask(poll).status)) for _ in range(5)]
    for one in waiting:
        one.start()
    wait_until(lambda: len(answers) == 3, "nobody is refused")
    assert answers == [429] * 3
    wait_until(lambda: served.ask(f"{end}&wait=0.1", key=other).status == 200, "the other client is not known")
    served.parts.take(message(patient("p1", "C")))
    for one in waiting:
        one.join(60)
    assert answers == [429] * 3 + [200] * 2
    assert served.ask(poll).status == 200


def test_a_stream_ends_where_its_client_is_revoked(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client reads page by page in one answer breaks off after the page at which it was revoked."""
    name, key = add_client(served.parts)
    wait_until(lambda: served.ask("/v1/changes?limit=1", key=key).status == 200, "the new client is not known")
    show = Reader.show

    async def revoked(self: Reader, rows: Any, make: Any) -> Any:
        made = await show(self, rows, make)
        await served.house.store.write(lambda connection: clients.revoke(connection, name, micros()))
        await asyncio.sleep(0.3)
        return made

    monkeypatch.setattr(Reader, "show", revoked)
    monkeypatch.setattr(feed, "PAGE", 1)
    with pytest.raises(IncompleteRead) as broken:
        served.ask("/v1/changes", key=key, headers={"Accept": "application/x-ndjson"})
    assert broken.value.partial.count(b'"change"') == 1


def test_a_quota_is_told_before_it_is_used_up(served: Served) -> None:
    """Answers tell what is left; the request over it is refused with the time to wait."""
    _, key = add_client(served.parts, quota=3)
    time.sleep(0.15)
    left = [served.ask("/v1/Patient?limit=1", key=key).headers["RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    answer = served.ask("/v1/Patient", key=key)
    assert (answer.status, answer.json["error"]) == (429, "quota-used-up")
    assert 1 <= int(answer.headers["Retry-After"]) <= 20


def test_a_client_without_an_agreement_gets_nothing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where agreements are needed a client is refused with the reason until its recipient's is entered."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    parts.take(message(patient("p1", "A")))
    with serving(parts, views={"narrow": NARROW}, agreements=True) as running:
        running.key = add_client(parts)[1]
        refused = running.ask("/v1/changes")
        assert (refused.status, b"no-agreement" in refused.body) == (403, True)
        row = {
            "tenant": TENANT, "agreement": "a1", "party": "billing company", "document": "safe 3", "starts_at": 0,
            "ends_at": None, "added_at": 0, "ended_at": None,
        }  # fmt: skip
        parts.store.write_sync(lambda c: agreements.add(c, row))
        time.sleep(0.2)
        assert len(running.ask("/v1/changes").json["changes"]) == 1


def test_a_row_that_is_gone_is_replaced_by_no_other(parts: Parts) -> None:
    """Where a change of a page has left the store meanwhile, none that the client may not see takes its place."""
    parts.take(message(patient("p1", "A")), message(patient("p1", "B")), message(patient("p1", "C")))
    lane = journal_lane("told", parts.record("Patient", "p1"))
    rows = parts.store.read_sync(lambda connection: journal.after(connection, TENANT, lane, 0, 9))
    gone = delete(changes).where(changes.c.lane == lane, changes.c.position == rows[0].position)
    parts.store.write_sync(lambda connection: connection.execute(gone))
    shown = parts.store.read_sync(lambda connection: _with_content(connection, TENANT, [rows[0], rows[2]]))
    assert [row.position for row in shown] == [rows[2].position]
