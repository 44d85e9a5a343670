"""The FHIR facade over real HTTP: asked by plain requests, by the SMART client library and by a signed assertion."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import time
import uuid
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from gateway.access import View, assertion
from gateway.flow.texts import keep_texts
from gateway.http import directory, fhir_find
from gateway.store import clients, reviewing
from tests.integration.parts import TENANT, Parts, appointment, message, patient, removed
from tests.integration.serving import Answer, Served, serving
from tests.integration.test_http_feed import add_client
from tests.waiting import PATIENCE

FULL = View("full", {"Patient": ["*"], "Appointment": ["*"], "Location": ["*"]})
MRN = [{"value": "77-1", "type": "MR", "authority": "http://clinic.example.org/mrn"}]


@pytest.fixture(scope="module")
def served(shared: Parts) -> Iterator[Served]:
    """A server with three patients of two appointments each; clients are looked up often."""
    patch = pytest.MonkeyPatch()
    patch.setattr(directory, "HOLD_SECONDS", 0.1)
    for number in (1, 2, 3):
        name = f"p{number}"
        shared.take(
            message(patient(name, f"Family{number}", identifiers=MRN if number == 1 else [])),
            message(appointment(f"a{number}", name, reason="knee")),
            message(appointment(f"b{number}", name, start=f"2026-04-0{number}T10:00:00-05:00", status="cancelled")),
        )
    shared.take(message(removed("Appointment", "b3", of="p3"), key="p3"))
    full = (bytes.fromhex(FULL.version), "view", FULL.text)
    shared.store.write_sync(lambda connection: keep_texts(connection, shared.audit, [TENANT], [full]))
    with serving(shared, views={"full": FULL}) as running:
        running.key = add_client(shared, view="full")[1]
        yield running
    patch.undo()


def one(served: Served, kind: str, native_id: str) -> str:
    """The id of a record of the test source."""
    return str(uuid.UUID(bytes=served.parts.record(kind, native_id)))


def found(served: Served, query: str, **more: Any) -> list[str]:
    """Ids of all matches of a search, over every page of it."""
    ids: list[str] = []
    url = f"/fhir/{query}"
    while url:
        answer = served.ask(url, **more)
        assert answer.status == 200, answer.body
        valid(answer.json)
        ids += [entry["resource"]["id"] for entry in answer.json.get("entry", ()) if entry["search"]["mode"] == "match"]
        url = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), "")
    return ids


def valid(made: Any) -> None:
    """Read it with the standard's own model; raises when it is not valid R4."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"fhir.resources.R4B.{made['resourceType'].lower()}")
        getattr(module, made["resourceType"]).model_validate(made)


def test_reading_by_id_and_by_version(served: Served) -> None:
    """Read gives the newest version with its ETag, vread an older one, and what is gone says so."""
    id = one(served, "Appointment", "a1")
    answer = served.ask(f"/fhir/Appointment/{id}")
    assert answer.headers["Content-Type"] == "application/fhir+json"
    assert answer.headers["ETag"] == 'W/"1"'
    valid(answer.json)
    assert served.ask(f"/fhir/Appointment/{id}/_history/1").json == answer.json
    assert served.ask(f"/fhir/Appointment/{id}/_history/2").status == 404
    assert served.ask(f"/fhir/Patient/{id}").status == 404
    gone = served.ask(f"/fhir/Appointment/{one(served, 'Appointment', 'b3')}")
    assert (gone.status, gone.json["issue"][0]["code"]) == (410, "deleted")
    assert served.parts.ledger().problems == []


@pytest.mark.parametrize(
    ("query", "natives"),
    [
        ("Appointment", "a1 a2 a3 b1 b2"),
        ("Appointment?_count=2", "a1 a2 a3 b1 b2"),
        ("Appointment?status=cancelled", "b1 b2"),
        ("Appointment?status=cancelled&_count=1", "b1 b2"),
        ("Appointment?date=2026-04-01", "b1"),
        ("Appointment?date=ge2026-04-01&date=lt2026-04-02", "b1"),
        ("Appointment?date=2026-03", "a1 a2 a3"),
        ("Appointment?date=gt2026-12-31", ""),
        ("Appointment?date=lt0001-01-01", ""),
        ("Appointment?status=cancelled&status=booked", ""),
        ("Appointment?_lastUpdated=gt2020-01-01", "a1 a2 a3 b1 b2"),
        ("Appointment?_lastUpdated=lt2020-01-01", ""),
    ],
)
def test_searching_by_content_and_time(served: Served, query: str, natives: str) -> None:
    """Dates, states and times of change find exactly their records, over pages of any size."""
    assert sorted(found(served, query)) == sorted(one(served, "Appointment", name) for name in natives.split())


def test_searching_by_patient_id_and_identifier(served: Served) -> None:
    """A patient's records, several ids, and an identifier with or without its system are found."""
    mine = one(served, "Patient", "p1")
    assert set(found(served, f"Appointment?patient=Patient/{mine}")) == {
        one(served, "Appointment", name) for name in ("a1", "b1")
    }
    assert found(served, f"Patient?_id={mine},{uuid.uuid4()}") == [mine]
    for text in ("77-1", "http://clinic.example.org/mrn|77-1"):
        assert found(served, f"Patient?{urlencode({'identifier': text})}") == [mine]
    assert found(served, "Patient?identifier=http://other|77-1") == []
    form = served.ask("/fhir/Patient/_search", method="POST", body=f"_id={mine}".encode())
    assert [entry["resource"]["id"] for entry in form.json["entry"]] == [mine]


def test_what_is_included_is_disclosed_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """_include brings all of the patients along, marked as such, within the client's view."""
    monkeypatch.setattr(fhir_find, "PAGE", 1)
    answer = served.ask("/fhir/Appointment?status=cancelled&_include=Appointment:patient").json
    modes = [(entry["resource"]["resourceType"], entry["search"]["mode"]) for entry in answer["entry"]]
    assert modes == [("Appointment", "match")] * 2 + [("Patient", "include")] * 2
    valid(answer)


def test_only_what_matched_is_on_the_disclosure_lists(served: Served) -> None:
    """A search that opens every candidate discloses the matches alone, and logs that it opened the rest."""

    def disclosed(native_id: str) -> int:
        owner = served.parts.record("Patient", native_id)
        return len(served.parts.store.read_sync(lambda c: list(reviewing.shown_to(c, TENANT, owner, 0, 2**62))))

    before = {name: disclosed(name) for name in ("p1", "p2")}
    found(served, "Appointment?date=2026-04-01")
    assert {name: disclosed(name) for name in before} == {"p1": before["p1"] + 1, "p2": before["p2"]}
    assert served.parts.ledger().problems == []


@pytest.mark.parametrize(
    ("path", "status", "code", "expression"),
    [
        ("/fhir/Appointment?colour=red", 400, "invalid", "colour"),
        ("/fhir/Appointment?date=yesterday", 400, "invalid", "date"),
        ("/fhir/Appointment?_count=many", 400, "invalid", "_count"),
        ("/fhir/Appointment?_include=Appointment:shoe", 400, "invalid", "_include"),
        ("/fhir/Appointment?_page=x", 400, "invalid", "_page"),
        ("/fhir/Appointment?_format=xml", 406, "not-supported", "_format"),
        ("/fhir/Basket", 404, "not-found", "Basket"),
        ("/fhir/Claim", 403, "forbidden", "Claim"),
        ("/fhir/Appointment/nobody", 404, "not-found", None),
        ("/fhir/AuditEvent", 403, "forbidden", "scope"),
        ("/fhir/$export", 400, "invalid", "Prefer"),
    ],
)
def test_a_wrong_request_gets_an_operation_outcome(
    served: Served, path: str, status: int, code: str, expression: str | None
) -> None:
    """Each mistake is told as an OperationOutcome with its kind and its place."""
    answer = served.ask(path)
    assert answer.status == status
    valid(answer.json)
    (issue,) = answer.json["issue"]
    assert (issue["code"], issue.get("expression", [None])[0]) == (code, expression)


def test_without_a_key_nothing_but_the_capabilities_is_told(served: Served) -> None:
    """The CapabilityStatement and the SMART configuration are public; every record needs a client."""
    statement = served.ask("/fhir/metadata", key="").json
    valid(statement)
    assert {one["type"] for one in statement["rest"][0]["resource"]} >= {"Appointment", "AuditEvent", "Provenance"}
    smart = served.ask("/fhir/.well-known/smart-configuration", key="").json
    assert smart["token_endpoint"] == f"{served.url}/oauth/token"
    refused = served.ask("/fhir/Patient", key="nobody")
    assert (refused.status, refused.json["issue"][0]["code"]) == (401, "login")


def test_provenance_names_the_message_behind_a_version(served: Served) -> None:
    """A version leads to its source's message, the adapter and the mapping."""
    id = one(served, "Appointment", "a1")
    bundle = served.ask(f"/fhir/Provenance?target=Appointment/{id}").json
    (made,) = [entry["resource"] for entry in bundle["entry"]]
    valid(made)
    assert served.ask(f"/fhir/Provenance/{made['id']}").json == made
    assert {one["who"]["identifier"]["value"] for one in made["agent"]} == {"told/1", "told"}


def test_an_export_is_streamed_and_disclosed(served: Served) -> None:
    """Kick-off, manifest, files and deletion; the files hold every record of their type, each on its patient's list."""
    before = served.parts.ledger().disclosed
    begun = served.ask("/fhir/$export?_type=Patient,Appointment", headers={"Prefer": "respond-async"})
    assert begun.status == 202
    where = begun.headers["Content-Location"]
    manifest = served.ask(where).json
    files = {one["type"]: served.ask(one["url"]).body.splitlines() for one in manifest["output"]}
    assert {type: len(lines) for type, lines in files.items()} == {"Patient": 3, "Appointment": 5}
    valid(json.loads(files["Patient"][0]))
    assert served.parts.ledger().disclosed == before + 6
    _, other = add_client(served.parts, view="full")
    time.sleep(0.15)
    assert served.ask(where, key=other).status == 404
    assert served.ask(where, method="DELETE").status == 202
    assert served.ask(where).status == 404


def test_an_export_since_a_time_tells_what_is_gone(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an export that names a time has deletions, each with its time, and the patient's list has them."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    parts.take(message(patient("p1", "Ngo"), appointment("a1", "p1"), appointment("a2", "p1")))
    parts.take(message(removed("Appointment", "a1", of="p1"), key="p1"))
    keep = (bytes.fromhex(FULL.version), "view", FULL.text)
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], [keep]))
    with serving(parts, views={"full": FULL}) as running:
        running.key = add_client(parts, view="full")[1]

        def manifest(since: str) -> Any:
            asked = f"/fhir/$export?_type=Appointment{since}"
            begun = running.ask(asked, headers={"Prefer": "respond-async"})
            return running.ask(begun.headers["Content-Location"]).json

        assert manifest("")["deleted"] == []
        before = parts.ledger().disclosed
        (file,) = manifest("&_since=2020-01-01T00:00:00Z")["deleted"]
        (line,) = running.ask(file["url"]).body.splitlines()
        told = json.loads(line)
        valid(told)
        assert told["entry"][0]["request"]["url"] == f"Appointment/{one(running, 'Appointment', 'a1')}"
        assert parts.ledger().disclosed == before + 1
        (later,) = manifest("&_since=2100-01-01T00:00:00Z")["deleted"]
        assert running.ask(later["url"]).body == b""
        unasked = file["url"].replace("Appointment.ndjson", "Patient.ndjson")
        assert running.ask(unasked).status == 404
    assert parts.ledger().problems == []


# --- who may ask -------------------------------------------------------------------------------------------------


def signed(served: Served, client: str, key: Any, algorithm: str, **changes: Any) -> str:
    """A client assertion."""
    claims = {
        "iss": client, "sub": client, "aud": f"{served.url}/oauth/token", "exp": int(time.time()) + 200,
        "jti": uuid.uuid4().hex,
    } | changes  # fmt: skip
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def token(served: Served, text: str = "", scope: str = "", **more: str) -> Answer:
    """Ask the token endpoint."""
    form = {"grant_type": "client_credentials", **more}
    if text:
        form |= {"client_assertion_type": assertion.TYPE, "client_assertion": text}
    if scope:
        form["scope"] = scope
    return served.ask("/oauth/token", method="POST", body=urlencode(form).encode(), key="")


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [("RS384", lambda: RSAKey.generate_key(2048)), ("ES384", lambda: ECKey.generate_key("P-384"))],
)
def test_a_backend_service_gets_a_token_once_per_assertion(served: Served, algorithm: str, make: Any) -> None:
    """A registered key signs for a token with narrowed scopes; the same assertion again is refused."""
    key = make()
    key.ensure_kid()
    jwks = assertion.checked_keys(json.dumps({"keys": [key.as_dict(private=False)]}))
    client, _ = add_client(served.parts, view="full", jwks=jwks)
    time.sleep(0.15)
    text = signed(served, client, key, algorithm)
    given = token(served, text, "system/Patient.rs").json
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("bearer", 300, "system/Patient.rs")
    access = given["access_token"]
    assert len(found(served, "Patient", key=access)) == 3
    assert served.ask("/fhir/Appointment", key=access).status == 403
    again = token(served, text, "system/Patient.rs")
    assert (again.status, again.json["error"]) == (401, "invalid_client")
    served.parts.store.write_sync(lambda connection: clients.revoke(connection, client, 1))
    time.sleep(0.15)
    assert served.ask("/fhir/Patient", key=access).status == 401


def test_an_assertion_that_is_wrong_in_any_way_is_refused(served: Served) -> None:
    """Another key, audience, subject, time, algorithm, or no id: none of them gets a token."""
    key, other = ECKey.generate_key("P-384"), ECKey.generate_key("P-384")
    for one_key in (key, other):
        one_key.ensure_kid()
    jwks = assertion.checked_keys(json.dumps({"keys": [key.as_dict(private=False)]}))
    client, _ = add_client(served.parts, view="full", jwks=jwks)
    time.sleep(0.15)
    now = int(time.time())
    wrong: list[dict[str, Any]] = [
        {"aud": "https://elsewhere.example.org/token"}, {"sub": "someone"}, {"exp": now - 60}, {"exp": now + 3600},
        {"exp": None}, {"exp": float("nan")}, {"exp": "soon"}, {"jti": ""}, {"nbf": now + 600},
        {"iss": "client-unknown"},
    ]  # fmt: skip
    texts = [signed(served, client, key, "ES384", **changes) for changes in wrong]
    texts += [signed(served, client, other, "ES384"), "a.b.c", "x" * 20_000]
    weak = RSAKey.generate_key(2048)
    weak.ensure_kid()
    texts.append(signed(served, client, weak, "RS256"))
    assert {token(served, text).status for text in texts} == {401}
    assert token(served, signed(served, client, key, "ES384", exp=time.time() + 200.5)).status == 200


def test_a_simple_client_gets_a_token_by_its_secret(served: Served) -> None:
    """The key of a client is its OAuth2 secret; another client's id with it, or a scope it lacks, gets nothing."""
    client, key = add_client(served.parts, view="full", scopes="system/Patient.rs")
    time.sleep(0.15)
    given = token(served, client_id=client, client_secret=key).json
    assert given["scope"] == "system/Patient.rs"
    assert token(served, client_id="client-x", client_secret=key).status == 401
    refused = token(served, scope="system/Appointment.rs", client_id=client, client_secret=key)
    assert refused.json["error"] == "invalid_scope"
    assert served.ask("/oauth/token", method="POST", body=b"{}", key="").json["error"] == "invalid_request"
    forged = given["access_token"][:-2] + ("AA" if given["access_token"][-2:] != "AA" else "BB")
    assert served.ask("/fhir/Patient", key=forged).status == 401


def test_the_audit_log_is_for_clients_whose_scopes_name_it(served: Served) -> None:
    """AuditEvents are valid R4, page on, and need a scope of their own: a wildcard is not enough."""
    served.parts.sequence()
    _, wide = add_client(served.parts, view="full", scopes="system/*.rs")
    _, named = add_client(served.parts, view="full", scopes="system/AuditEvent.rs")
    time.sleep(0.15)
    assert served.ask("/fhir/AuditEvent", key=wide).status == 403
    _, local = add_client(
        served.parts, view="full", scopes="system/AuditEvent.rs", locations=json.dumps([uuid.uuid4().hex])
    )
    page = served.ask("/fhir/AuditEvent?_count=2", key=named).json
    assert len(page["entry"]) == 2
    valid(page["entry"][0]["resource"])
    following = served.ask(page["link"][0]["url"], key=named).json
    assert following["entry"][0]["resource"]["id"] != page["entry"][1]["resource"]["id"]
    time.sleep(0.15)
    assert served.ask("/fhir/AuditEvent", key=local).status == 403  # it names patients of every clinic
    event = page["entry"][0]["resource"]["id"]
    assert served.ask(f"/fhir/AuditEvent/{event}", key=local).status == 403


# --- other people's clients ------------------------------------------------------------------------------------------


def test_the_smart_client_library_works(served: Served) -> None:
    """The reference client reads and searches with a bearer token of ours."""
    fhirclient = pytest.importorskip("fhirclient.client")
    from fhirclient.models.appointment import Appointment
    from fhirclient.models.patient import Patient

    client = fhirclient.FHIRClient(settings={"app_id": "test", "api_base": f"{served.url}/fhir"})
    client.server.session.headers["Authorization"] = f"Bearer {served.key}"
    read = Patient.read(one(served, "Patient", "p1"), client.server)
    assert read.name[0].family == "Family1"
    search = Appointment.where(struct={"status": "cancelled", "_count": "1"})
    statuses = [one.resource.status for bundle in search.perform_iter(client.server) for one in bundle.entry or ()]
    assert statuses == ["cancelled", "cancelled"]


def test_plain_curl_works(served: Served) -> None:
    """One line at a shell is enough to read."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed on this machine")
    url = f"{served.url}/fhir/Patient?_count=1"
    done = subprocess.run(
        [curl, "-sS", "-f", "-H", f"Authorization: Bearer {served.key}", url],
        capture_output=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["resourceType"] == "Bundle"
