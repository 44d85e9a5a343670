"""Every route of the admin port, every role, every clinic group: who gets what is what the table says, and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from gateway.access.roles import built_in_roles
from gateway.http.admin_door import check_table, listed
from gateway.http.admin_table import OPEN, SIGNED, TABLE
from gateway.http.app import admin_app
from gateway.http.health import detailed
from gateway.store import audit
from tests.integration.parts import TENANT
from tests.security.conftest import OTHER, ROLES, Admin

GUARDED = sorted(key for key, need in TABLE.items() if need is not OPEN)
ABOUT_TENANTS = sorted(key for key, need in TABLE.items() if need not in {OPEN, SIGNED})
Signed = Mapping[str, Mapping[str, str]]
BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "/quarantine/release"): {"id": "m999999999"},
    ("POST", "/breakglass"): {"reason": "too short", "minutes": 5},
    ("POST", "/breakglass/end"): {"id": "use-0"},
    ("POST", "/breakglass/review"): {"id": "use-0", "verdict": "justified"},
    ("POST", "/session/password"): {"old": "x", "new": "y"},
    ("POST", "/session/passkeys/question"): {"password": "x"},
    ("POST", "/session/passkeys"): {"name": "x", "credential": {"id": "x", "rawId": "x", "type": "x", "response": {}}},
    ("POST", "/session/passkeys/remove"): {"name": "none of this name"},
}
"""Bodies that are well formed and change nothing."""


@pytest.fixture(scope="module")
def record(staffed: Admin, signed: Signed) -> str:
    """The id of an appointment of the first clinic group."""
    found = staffed.ask("/records/Appointment", headers=signed["admin-north"]).json["records"]
    assert len(found) == 2
    return str(found[0]["id"])


def asked(admin: Admin, key: tuple[str, str], record: str, headers: Mapping[str, str], tenant: str = "") -> Any:
    """The answer of one route for one person."""
    method, path = key
    path = path.replace("{type}", "Appointment").replace("{id}", record).replace("{field}", "status")
    query = [f"tenant={tenant}"] if tenant else []
    query += ["id=m999999999"] if path == "/quarantine/one" else []
    return admin.ask(
        path + ("?" + "&".join(query) if query else ""), method=method, given=BODIES.get(key), headers=headers
    )


def leaks(body: bytes) -> bool:
    """Whether an answer holds anything of a record, a message or an account."""
    return any(word in body for word in (b"booked", b"knee", b"SYNTHETIC", b"held-1", b"-north", b"2026-03-02"))


def test_the_table_is_the_router(staffed: Admin) -> None:
    """Every route has its line and every line its route; a route without one keeps the port shut."""
    app = admin_app(staffed.served.house)
    assert set(listed(app.routes)) == set(TABLE)
    assert {need.power for need in TABLE.values()} - {""} <= set(built_in_roles().powers)
    check_table(app.routes)
    planted = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    planted.include_router(detailed(staffed.served.house), prefix="/everything")
    with pytest.raises(LookupError, match="/everything"):
        check_table(planted.routes)
    with pytest.raises(LookupError):
        check_table([Mount("/static", FastAPI())])


@pytest.mark.parametrize("key", GUARDED, ids=" ".join)
def test_nobody_without_a_session_is_answered(staffed: Admin, record: str, key: tuple[str, str]) -> None:
    """Without a cookie, with a made-up one and with an API key the answer is 401 and nothing else."""
    for headers in ({}, {"Cookie": "__Host-gateway=made-up"}, {"Authorization": "Bearer egw_made_up"}):
        answer = asked(staffed, key, record, headers)
        assert answer.status == 401, answer.body
        assert not leaks(answer.body)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", ABOUT_TENANTS, ids=" ".join)
def test_each_role_gets_what_the_table_says(
    staffed: Admin, signed: Signed, record: str, key: tuple[str, str], role: str
) -> None:
    """A role without the power is refused; one with it is answered at its own clinic group and at no other."""
    allowed = TABLE[key].power in built_in_roles().named[role].powers
    own = asked(staffed, key, record, signed[f"{role}-north"])
    assert (own.status != 403) == allowed, own.body
    if not allowed:
        assert own.json["where"] == TABLE[key].power
        assert not leaks(own.body)
    for name, tenant in ((f"{role}-north", OTHER), (f"{role}-south", TENANT), (f"{role}-north", "nowhere")):
        foreign = asked(staffed, key, record, signed[name], tenant)
        assert foreign.status == 404
        assert foreign.json["what"] == "There is no such clinic group, or none that you may see"
    # Of the other clinic group, the same ids are nothing: what they may read there is empty or not found.
    across = asked(staffed, key, record, signed[f"{role}-south"])
    assert not leaks(across.body)
    if "{id}" in key[1] and allowed:
        assert across.status == 404


def test_reading_rooms_answer(staffed: Admin, signed: Signed, record: str) -> None:
    """The rooms are not empty: the matrix above would find a leak, for there is something to leak."""
    boss = signed["admin-north"]
    assert staffed.ask("/messages", headers=boss).json[0]["outcome"] == "quarantined"
    page = staffed.ask("/quarantine?limit=1", headers=boss).json
    (held,) = page["held"]
    assert page["next"] is None
    assert staffed.ask(f"/quarantine?before={held['id']}", headers=boss).json == {"held": [], "next": None}
    assert staffed.ask(f"/quarantine/one?id={held['id']}", headers=boss).json == held
    assert staffed.ask(f"/records/Appointment/{record}", headers=boss).json["record"]["status"] == "booked"
    assert staffed.ask(f"/explain/{record}/status", headers=boss).json["value"] == "booked"
    assert {one["name"] for one in staffed.ask("/people", headers=boss).json} >= {f"{role}-north" for role in ROLES}


def test_a_view_holds_on_the_admin_port(staffed: Admin, signed: Signed, record: str) -> None:
    """An operator sees who is booked, not why; a biller's explanation of a field outside the view is not found."""
    seen = staffed.ask(f"/records/Appointment/{record}", headers=signed["operator-north"])
    assert seen.status == 200
    assert "reason" not in seen.json["record"]
    assert staffed.ask("/records/Visit", headers=signed["operator-north"]).status == 404
    assert staffed.ask(f"/explain/{record}/reason", headers=signed["biller-north"]).status == 404
    assert staffed.ask(f"/explain/{record}/status", headers=signed["biller-north"]).status == 200


def test_a_clinic_scope_holds_on_the_admin_port(staffed: Admin) -> None:
    """Somebody of one clinic sees no record of another, by list, by id or by explanation."""
    boss = staffed.session(staffed.account("scoped.boss", "admin"))
    (first, *_) = staffed.ask("/records/Appointment", headers=boss).json["records"]
    scoped = staffed.session(staffed.account("scoped", "admin", locations=["00" * 16]))
    assert staffed.ask("/records/Appointment", headers=scoped).json["records"] == []
    assert staffed.ask(f"/records/Appointment/{first['id']}", headers=scoped).status == 404
    assert staffed.ask(f"/explain/{first['id']}/status", headers=scoped).status == 404


def test_refusals_and_looks_are_in_the_audit_log(staffed: Admin, signed: Signed, record: str) -> None:
    """Who was refused what, and who looked at whom and why, is written with the person's own name."""
    staffed.ask("/records/Appointment", headers=signed["read-only-north"])
    staffed.ask(f"/records/Appointment/{record}", headers=signed["operator-north"])
    store = staffed.served.parts.store
    rows = store.read_sync(lambda connection: [row.body for row in audit.rows_ahead(connection, TENANT, {})])
    bodies = [json.loads(body) for body in rows]
    assert any(
        one["action"] == "refuse" and one["actor"] == "person:read-only-north" and one["outcome"] == "records.read"
        for one in bodies
    )
    look = [one for one in bodies if one["action"] == "access" and one["actor"] == "person:operator-north"]
    assert look
    assert look[-1]["purpose"] == "operations"
    assert look[-1]["rows"]["changes"][0].startswith(record)


def test_the_audit_log_is_searched_and_the_search_is_in_it(staffed: Admin, signed: Signed, record: str) -> None:
    """A compliance officer finds who looked at a record and pages on; the look itself is the newest entry then."""
    staffed.ask(f"/records/Appointment/{record}", headers=signed["operator-north"])
    staffed.served.parts.sequence()  # which `serve` does once a second
    officer = signed["compliance-north"]
    found = staffed.ask("/audit?actor=person:operator-north&action=access", headers=officer).json["entries"]
    assert found
    assert {(one["actor"], one["action"]) for one in found} == {("person:operator-north", "access")}
    staffed.served.parts.sequence()
    first = staffed.ask("/audit?limit=1", headers=officer).json
    assert (first["entries"][0]["purpose"], first["entries"][0]["actor"]) == ("audit-search", "person:compliance-north")
    second = staffed.ask(f"/audit?limit=1&before={first['next']}", headers=officer).json
    assert second["entries"][0]["entry"] < first["entries"][0]["entry"]
    sums = staffed.ask("/audit/sums?per=actor", headers=officer).json
    assert "person:operator-north" in {one["who"] for one in sums}
    assert staffed.ask("/audit?since=2999-01-01", headers=officer).json["entries"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=100000", "since=now", "patient=x", "actor=%22%7D", "per=all"])
def test_a_question_to_the_audit_log_is_bounded(staffed: Admin, signed: Signed, query: str) -> None:
    """What is too much or has a wrong form is refused by the name of its parameter."""
    path = "/audit/sums" if query.startswith("per") else "/audit"
    answer = staffed.ask(f"{path}?{query}", headers=signed["compliance-north"])
    assert answer.status in {400, 404, 422}, answer.body
