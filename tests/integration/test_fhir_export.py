"""Bulk exports over real HTTP: levels, what a file lacks, how an export ends, and what a client is told of all that."""

from __future__ import annotations

import importlib
import json
import uuid
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.access import View
from gateway.flow.clock import micros
from gateway.flow.texts import keep_texts
from gateway.http import directory, fhir_export, fhir_files
from gateway.store import reviewing, schema
from tests.integration.parts import TENANT, Parts, appointment, message, patient
from tests.integration.serving import Answer, Served, serving
from tests.integration.test_http_feed import add_client

VIEW = View("some", {type: ["*"] for type in ("Patient", "Appointment", "Location", "Task")})
ASYNC = {"Prefer": "respond-async"}


def told(type: str, native_id: str, **fields: Any) -> dict[str, Any]:
    """A record of nobody."""
    return {"type": type, "native_id": native_id, "patient": None, "fields": fields}


@pytest.fixture(scope="module")
def served(shared: Parts) -> Iterator[Served]:
    """A server with two patients, three appointments one of which is damaged, a location, and a task of nobody."""
    patch = pytest.MonkeyPatch()
    patch.setattr(directory, "HOLD_SECONDS", 0.1)
    shared.take(message(told("Location", "l1", name="North"), told("Task", "t1", title="Call", state="open"), key="x"))
    for number in (1, 2):
        shared.take(message(patient(f"p{number}", "Ngo"), appointment(f"a{number}", f"p{number}")))
    shared.take(message(appointment("a9", "p1")))
    record = schema.changes.c.record_id == shared.record("Appointment", "a9")
    shared.store.write_sync(lambda c: c.execute(schema.changes.update().where(record).values(box=b"x" * 64)))
    some = (bytes.fromhex(VIEW.version), "view", VIEW.text)
    shared.store.write_sync(lambda connection: keep_texts(connection, shared.audit, [TENANT], [some]))
    key = add_client(shared, view="some")[1]
    with serving(shared, views={"some": VIEW}) as running:
        running.key = key
        yield running
    patch.undo()


def begun(served: Served, path: str = "$export", **more: Any) -> Answer:
    """Ask for an export."""
    return served.ask(f"/fhir/{path}", headers={**ASYNC, **more.pop("headers", {})}, **more)


def manifest(served: Served, path: str = "$export", **more: Any) -> Any:
    """The manifest of an export."""
    return served.ask(begun(served, path, **more).headers["Content-Location"]).json


def lines(served: Served, url: str) -> list[Any]:
    """The resources of a file."""
    answer = served.ask(url)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/fhir+ndjson")
    return [json.loads(line) for line in answer.body.splitlines()]


def outcome(body: Any) -> Any:
    """The one issue of an OperationOutcome that the standard's own model reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("fhir.resources.R4B.operationoutcome")
        module.OperationOutcome.model_validate(body)
    (issue,) = body["issue"]
    return issue


@pytest.mark.parametrize("way", ["noted", "looked", "many"])
def test_what_a_file_lacks_is_in_its_error_file(served: Served, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A damaged record is named with what to do, whether its file was read before or not; a sound type has none."""
    monkeypatch.setattr(fhir_files, "NOTED", 0 if way == "many" else 1000)
    opened = []
    original = fhir_files.Reader.search

    async def counted(self: Any, rows: Any, matches: Any) -> Any:
        opened.append(len(rows))
        return await original(self, rows, matches)

    monkeypatch.setattr(fhir_files.Reader, "search", counted)
    made = manifest(served)
    output, errors = ({one["url"].split("/")[-1]: one["url"] for one in made[name]} for name in ("output", "error"))
    assert {one["type"] for one in made["error"]} == {"OperationOutcome"}
    if way != "looked":
        assert len(lines(served, output["Appointment.ndjson"])) == 2
        assert len(lines(served, output["Patient.ndjson"])) == 2

    def shown() -> int:
        owner = served.parts.record("Patient", "p1")
        return len(served.parts.store.read_sync(lambda c: list(reviewing.shown_to(c, TENANT, owner, 0, 2**62))))

    before = shown()
    (lost,) = lines(served, errors["Appointment.ndjson"])
    issue = outcome(lost)
    id = uuid.UUID(bytes=served.parts.record("Appointment", "a9"))
    assert (issue["severity"], issue["expression"]) == ("error", [f"Appointment.where(id = '{id}')"])
    assert f"Appointment/{id}" in issue["diagnostics"]
    assert "operator" in issue["diagnostics"]
    assert shown() == before + 1
    assert lines(served, errors["Patient.ndjson"]) == []
    assert bool(opened) is (way != "noted")
    assert served.parts.ledger().problems == []


def test_an_export_of_patients_leaves_out_what_is_of_nobody(served: Served) -> None:
    """Patient/$export has the resources of patients alone; the system's export has all that the view grants."""
    mine = {one["type"]: lines(served, one["url"]) for one in manifest(served, "Patient/$export")["output"]}
    assert {type: len(some) for type, some in mine.items()} == {"Appointment": 2, "Patient": 2, "Task": 0}
    every = {one["type"]: lines(served, one["url"]) for one in manifest(served)["output"]}
    assert {type: len(some) for type, some in every.items()} == {
        "Appointment": 2, "Patient": 2, "Location": 1, "Task": 1
    }  # fmt: skip
    named = manifest(served, "Patient/$export?_type=Location")
    assert len(lines(served, named["output"][0]["url"])) == 1
    refused = begun(served, "Group/7/$export")
    assert (refused.status, outcome(refused.json)["code"]) == (404, "not-found")


def test_an_export_may_be_posted(served: Served) -> None:
    """A Parameters resource asks for the same as an address; another body is refused."""
    parameters = [{"name": "_type", "valueString": "Patient"}, {"name": "_outputFormat", "valueString": "ndjson"}]
    body = json.dumps({"resourceType": "Parameters", "parameter": parameters}).encode()
    for path in ("$export", "Patient/$export"):
        made = manifest(served, path, method="POST", body=body)
        assert [one["type"] for one in made["output"]] == ["Patient"]
        assert made["request"].endswith(path)
        assert outcome(begun(served, path, method="POST", body=b"{}").json)["expression"] == ["body"]


def test_a_lenient_client_is_told_what_its_export_lacks(served: Served) -> None:
    """Preferences come in one header or in several; what was left out is named in the answer."""
    query = "$export?_type=Patient,Basket&_typeFilter=Patient%3Fstatus%3Dx"
    assert begun(served, query).status == 400
    answer = begun(served, query, headers={"Prefer": "handling=lenient, respond-async"})
    assert answer.status == 202
    assert outcome(answer.json)["expression"] == ["_type", "_typeFilter"]
    assert [one["type"] for one in served.ask(answer.headers["Content-Location"]).json["output"]] == ["Patient"]
    assert begun(served, "$export").body == b""
    assert begun(served, "$export?_type=Claim").status == 403
    assert begun(served, headers={"Prefer": "handling=lenient"}).status == 400


def test_an_export_ends_when_it_is_deleted_and_by_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """After DELETE, and after the time that Expires tells, manifest and files of every kind are gone."""

    def addresses() -> list[str]:
        where = begun(served, "$export?_type=Patient&_since=2020-01-01T00:00:00Z").headers["Content-Location"]
        made = served.ask(where).json
        return [where, *(one["url"] for name in ("output", "deleted", "error") for one in made[name])]

    first, second = addresses(), addresses()
    assert len(first) == 4
    assert {served.ask(url).status for url in first} == {200}
    assert served.ask(first[0], method="DELETE").status == 202
    assert {served.ask(url).status for url in first} == {404}
    assert served.ask(first[0], method="DELETE").status == 404
    assert outcome(served.ask(first[0]).json)["code"] == "not-found"
    late = micros() + fhir_export.HOLD_MICROS + 1_000_000
    monkeypatch.setattr(fhir_export, "micros", lambda: late)
    assert {served.ask(url).status for url in second} == {404}
