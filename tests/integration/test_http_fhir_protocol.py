"""FHIR's own manners over real HTTP: versions held, forms accepted, methods, scopes, what is unknown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from gateway.access import View
from gateway.flow.texts import keep_texts
from gateway.http import directory
from gateway.store import journal, schema
from tests.integration.parts import TENANT, Parts, appointment, message, patient
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import add_client

FULL = View("full", {"Patient": ["*"], "Appointment": ["*"]})
KEYS: dict[str, str] = {}
"""API keys by the scopes of their clients."""
SCOPES = ("system/Patient.r", "system/Patient.s", "system/AuditEvent.rs")


@pytest.fixture(scope="module")
def served(shared: Parts) -> Iterator[Served]:
    """A server with one patient of one appointment, and clients of narrow scopes."""
    patch = pytest.MonkeyPatch()
    patch.setattr(directory, "HOLD_SECONDS", 0.1)
    shared.take(message(patient("p1", "Family1")), message(appointment("a1", "p1")))
    full = (bytes.fromhex(FULL.version), "view", FULL.text)
    shared.store.write_sync(lambda connection: keep_texts(connection, shared.audit, [TENANT], [full]))
    KEYS.update({scope: add_client(shared, view="full", scopes=scope)[1] for scope in SCOPES})
    key = add_client(shared, view="full")[1]
    with serving(shared, views={"full": FULL}) as running:
        running.key = key
        yield running
    patch.undo()


def patient_path(served: Served) -> str:
    """Where the patient is read."""
    return f"/fhir/Patient/{uuid.UUID(bytes=served.parts.record('Patient', 'p1'))}"


def test_a_version_that_the_client_holds_is_not_opened_again(served: Served) -> None:
    """If-None-Match of the newest version gets 304 without a body, of another one the resource; both are disclosed."""
    first = served.ask(patient_path(served))
    modified = parsedate_to_datetime(first.headers["Last-Modified"])
    assert modified.isoformat()[:19] == first.json["meta"]["lastUpdated"][:19]
    before = served.parts.ledger().disclosed
    held = served.ask(patient_path(served), headers={"If-None-Match": f'W/"9", {first.headers["ETag"]}'})
    assert (held.status, held.body, held.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert served.parts.ledger().disclosed == before + 1
    assert served.ask(patient_path(served), headers={"If-None-Match": 'W/"9"'}).json == first.json
    assert served.parts.ledger().problems == []


def test_head_is_a_read_without_its_body(served: Served) -> None:
    """HEAD of a resource and of the capabilities has the headers of GET and nothing else."""
    answer = served.ask(patient_path(served), method="HEAD")
    assert (answer.status, answer.body, answer.headers["ETag"]) == (200, b"", 'W/"1"')
    assert served.ask("/fhir/metadata", method="HEAD", key="").status == 200
    assert served.ask("/fhir/Patient/nobody", method="HEAD").status == 404
    made = f"/fhir/Provenance/{patient_path(served).rpartition('/')[2]}-1"
    assert (served.ask(made).status, served.ask(made, method="HEAD").status) == (200, 200)


def test_a_failure_is_told_in_the_form_of_the_room(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect behind the door is an OperationOutcome to a FHIR client, without a word of the failure."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("zzz-inside")

    monkeypatch.setattr("gateway.http.fhir_facade.read_search", fail)
    answer = served.ask("/fhir/Patient")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/fhir+json")
    assert (answer.json["issue"][0]["code"], b"zzz" in answer.body) == ("exception", False)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200), ("text/html, */*;q=0.1", 200), ("application/json;q=0.9", 200),
        ("application/fhir+json; fhirVersion=4.0", 200), ("application/fhir+json; fhirVersion=3.0", 406),
        ("application/fhir+xml", 406), ("text/csv", 406), ("application/json;q=0", 406),
    ],
)  # fmt: skip
def test_whoever_cannot_read_json_is_told_so(served: Served, accept: str, status: int) -> None:
    """Accept is kept; _format goes before it."""
    answer = served.ask(patient_path(served), headers={"Accept": accept})
    assert answer.status == status
    assert status == 200 or answer.json["issue"][0]["expression"] == ["Accept"]
    assert served.ask(f"{patient_path(served)}?_format=json", headers={"Accept": accept}).status == 200
    assert served.ask(f"{patient_path(served)}?_format=xml", headers={"Accept": accept}).status == 406


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PATCH", "/fhir/Patient/x", 405, "not-supported"),
        ("PUT", "/fhir/Patient/x", 405, "not-supported"),
        ("GET", "/fhir/Patient/a_b", 404, "not-found"),
        ("GET", "/fhir/Provenance", 400, "invalid"),
        ("GET", "/fhir/Provenance?patient=x", 400, "invalid"),
        ("GET", "/fhir/$export?_typeFilter=Patient", 400, "invalid"),
        ("GET", "/fhir/$export?_outputFormat=csv", 400, "invalid"),
        ("GET", "/fhir/$export?_format=xml", 406, "not-supported"),
        ("GET", "/fhir/$export?_since=2026-01-01&_since=2026-02-01", 400, "invalid"),
        ("GET", "/fhir/Subscription?status=active", 400, "invalid"),
        ("GET", "/fhir/Subscription?_format=xml", 406, "not-supported"),
        ("GET", "/fhir/Subscription/0123456789abcdef?_summary=true", 400, "invalid"),
        ("GET", "/fhir/Provenance/x-1?_elements=target", 400, "invalid"),
        ("GET", "/fhir/Appointment?status=", 400, "invalid"),
        ("GET", f"/fhir/Patient?_id={'x' * 9000}", 414, "too-long"),
    ],
)
def test_every_refusal_is_an_operation_outcome(served: Served, method: str, path: str, status: int, code: str) -> None:
    """The door before the facade, the parameters of its operations, and its methods refuse in FHIR's form."""
    answer = served.ask(path, method=method, headers={"Prefer": "respond-async"})
    assert (answer.status, answer.json["issue"][0]["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/fhir+json"


def test_a_scope_lets_read_or_search_and_not_both(served: Served) -> None:
    """system/Patient.r reads and does not search, system/Patient.s the reverse."""
    read, search = KEYS["system/Patient.r"], KEYS["system/Patient.s"]
    assert served.ask(patient_path(served), key=read).status == 200
    assert served.ask("/fhir/Patient", key=read).status == 403
    asked = "/fhir/$export?_type=Patient"
    assert served.ask(asked, key=read, headers={"Prefer": "respond-async"}).status == 403
    assert served.ask("/fhir/Patient", key=search).status == 200
    assert served.ask(patient_path(served), key=search).status == 403


def test_a_lenient_search_says_what_it_left_out(served: Served) -> None:
    """The answer names the parameters that were not used, and its self link has them no more."""
    answer = served.ask("/fhir/Patient?_sort=name&_count=5", headers={"Prefer": "handling=lenient"}).json
    modes = [entry["search"]["mode"] for entry in answer["entry"]]
    assert modes == ["match", "outcome"]
    assert answer["entry"][1]["resource"]["issue"][0]["expression"] == ["_sort"]
    assert "_sort" not in answer["link"][0]["url"]
    assert served.ask("/fhir/Patient?_sort=name").status == 400


def test_a_form_and_its_address_are_one_search(served: Served) -> None:
    """POST _search takes parameters of its body and of its address."""
    path = f"/fhir/Patient/_search?_id={uuid.uuid4()}"
    assert "entry" not in served.ask(path, method="POST", body=b"_count=5").json
    assert served.ask("/fhir/Patient/_search?colour=red", method="POST", body=b"_count=5").status == 400
    other = served.ask(path, method="POST", body=b"{}", headers={"Content-Type": "application/json"})
    assert (other.status, other.json["issue"][0]["expression"]) == (415, ["Content-Type"])


@pytest.mark.parametrize("query", ["_id={id}", "_id={id}&status=booked"])
def test_an_answer_that_lacks_a_damaged_record_says_so(served: Served, query: str) -> None:
    """What cannot be opened is named as an outcome, in lists and in searches by content: no gap is silent."""
    parts = served.parts
    if not parts.store.read_sync(lambda c: journal.record_heads(c, TENANT, [parts.record("Appointment", "a9")])):
        parts.take(message(appointment("a9", "p1")))
        record = schema.changes.c.record_id == parts.record("Appointment", "a9")
        parts.store.write_sync(lambda c: c.execute(schema.changes.update().where(record).values(box=b"x" * 64)))
    id = uuid.UUID(bytes=parts.record("Appointment", "a9"))
    (entry,) = served.ask(f"/fhir/Appointment?{query.format(id=id)}").json["entry"]
    assert (entry["search"]["mode"], entry["resource"]["issue"][0]["code"]) == ("outcome", "incomplete")
    assert served.ask(f"/fhir/Appointment/{id}").json["issue"][0]["code"] == "exception"


def test_the_audit_log_is_found_by_its_time(served: Served) -> None:
    """AuditEvent?date gives the entries of that time over all pages, and none of another."""
    served.parts.sequence()
    key = KEYS["system/AuditEvent.rs"]

    def found(query: str) -> list[str]:
        ids, url = [], f"/fhir/AuditEvent?{query}"
        while url:
            bundle = served.ask(url, key=key).json
            ids += [entry["resource"]["id"] for entry in bundle.get("entry", ())]
            url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
        return ids

    entries = served.ask("/fhir/AuditEvent?_count=1000", key=key).json["entry"]  # the most that it gives are fewer
    times = sorted(entry["resource"]["recorded"] for entry in entries)
    everything = [entry["resource"]["id"] for entry in entries]
    assert set(found("date=ge2020-01-01&_count=3")) >= set(everything)
    assert found("date=lt2020-01-01&_count=3") == found("date=lt0001-01-01") == found("date=gt2999-01-01") == []
    second = times[0][:19]
    exact = [entry["resource"]["id"] for entry in entries if entry["resource"]["recorded"][:19] == second]
    assert found(f"date={second}Z&_count=2") == exact
    assert served.ask("/fhir/AuditEvent?agent=x", key=key).json["issue"][0]["expression"] == ["agent"]
    assert served.ask("/fhir/AuditEvent?date=yesterday", key=key).status == 400
