"""The form of an answer over real HTTP: order, totals, parts of resources, and that what is declared is what works."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.access import View
from gateway.flow.texts import keep_texts
from gateway.http import directory, fhir_index, fhir_lookup, fhir_sorted
from gateway.http.fhir_index import SearchIndex
from gateway.http.fhir_results import SUBSETTED
from gateway.store import reviewing
from gateway.wire.fhir import PROJECTIONS
from tests.integration.parts import TENANT, Parts, appointment, message, patient, removed
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import add_client

WHOLE = View("whole", {type: ["*"] for type in PROJECTIONS})
STATES = ("booked", "cancelled", "booked", "arrived", "booked", "booked")
ORDERS = {
    "_sort=_lastUpdated": "a0 a1 a2 a4 a5 a3", "_sort=-_lastUpdated": "a3 a5 a4 a2 a1 a0",
    "_sort=date": "a5 a4 a3 a2 a1 a0", "_sort=-date": "a0 a1 a2 a3 a4 a5",
    "status=booked&_sort=-_lastUpdated": "a5 a4 a2 a0", "date=2026-04&_sort=-date": "a0 a1 a2 a3 a4 a5",
    "_lastUpdated=gt2020-01-01&_sort=_lastUpdated": "a0 a1 a2 a4 a5 a3",
}  # fmt: skip
"""Query -> the appointments in their order; the later a number, the earlier its day, and a3 changed last."""


@pytest.fixture(scope="module")
def served(shared: Parts) -> Iterator[Served]:
    """A server with six appointments of two patients, told one after another, one of them changed since."""
    patch = pytest.MonkeyPatch()
    patch.setattr(directory, "HOLD_SECONDS", 0.1)
    shared.take(message(patient("p0", "Ngo", sex="male")), message(patient("p1", "Ngo")))
    for number, status in enumerate(STATES):
        start = f"2026-04-{9 - number:02d}T10:00:00-05:00"
        shared.take(message(appointment(f"a{number}", f"p{number % 2}", start=start, status=status)))
    shared.take(message(appointment("a9", "p1")), message(removed("Appointment", "a9", of="p1"), key="p1"))
    shared.take(message(appointment("a3", "p1", start="2026-04-06T10:00:00-05:00", status="arrived", room="2")))
    whole = (bytes.fromhex(WHOLE.version), "view", WHOLE.text)
    shared.store.write_sync(lambda connection: keep_texts(connection, shared.audit, [TENANT], [whole]))
    key = add_client(shared, view="whole")[1]
    with serving(shared, views={"whole": WHOLE}) as running:
        running.key = key
        index = SearchIndex(running.house)
        index.choose(TENANT)
        while index.step(TENANT):
            pass
        yield running
    patch.undo()


def natives(served: Served, query: str, **more: Any) -> list[str]:
    """The appointments of all pages in their order, by the number their source gave them."""
    known = {str(uuid.UUID(bytes=served.parts.record("Appointment", f"a{n}"))): f"a{n}" for n in range(10)}
    found: list[str] = []
    url = f"/fhir/Appointment?{query}"
    while url:
        answer = served.ask(url, **more)
        assert answer.status == 200, answer.body
        found += [known[one["resource"]["id"]] for one in answer.json.get("entry", ())]
        url = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), "")
    return found


@pytest.mark.parametrize("gathered", [1000, 2])
@pytest.mark.parametrize("query", ORDERS)
def test_an_order_holds_over_pages_of_any_size(
    served: Served, monkeypatch: pytest.MonkeyPatch, query: str, gathered: int
) -> None:
    """What is found is sorted by anything; when it is too much, by its last change alone, and else that is said."""
    monkeypatch.setattr(fhir_sorted, "GATHERED", gathered)
    monkeypatch.setattr(fhir_lookup, "PROBED", gathered)
    if gathered == 2 and query.endswith("date"):
        refused = served.ask(f"/fhir/Appointment?{query}")
        assert (refused.status, refused.json["issue"][0]["expression"]) == (400, ["_sort"])
        return
    for count in (2, 50):
        assert natives(served, f"{query}&_count={count}") == ORDERS[query].split()


def test_one_patients_appointments_are_sorted_without_the_index(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient has few records: they are sorted by several keys, whether or not there is an index."""
    monkeypatch.setattr(fhir_index.SearchIndex, "ready", lambda *_: False)
    mine = uuid.UUID(bytes=served.parts.record("Patient", "p0"))
    assert natives(served, f"patient={mine}&_sort=date,_id&_count=2") == ["a4", "a2", "a0"]
    by_id = natives(served, f"patient={mine}&_sort=-_id&_count=1")
    assert by_id == natives(served, f"patient={mine}&_sort=_id")[::-1]
    assert natives(served, "_sort=-_lastUpdated")[0] == "a3"
    monkeypatch.setattr(fhir_sorted, "GATHERED", 2)
    assert served.ask("/fhir/Appointment?_sort=_lastUpdated").status == 400


def test_a_page_of_one_order_is_no_page_of_another(served: Served) -> None:
    """The token of a page goes with its order: with another one, or with none, it is refused."""
    links = served.ask("/fhir/Appointment?_sort=-date&_count=1").json["link"]
    token = next(one["url"] for one in links if one["relation"] == "next").rpartition("_page=")[2]
    for query in ("", "&_sort=date", "&_sort=_lastUpdated"):
        assert served.ask(f"/fhir/Appointment?_count=1{query}&_page={token}").status == 400


def test_only_the_page_is_disclosed_though_all_was_sorted(served: Served) -> None:
    """Opening what is found to sort it is in the audit log; on the disclosure list is what was shown."""

    def shown(native_id: str) -> int:
        owner = served.parts.record("Patient", native_id)
        return len(served.parts.store.read_sync(lambda c: list(reviewing.shown_to(c, TENANT, owner, 0, 2**62))))

    before = shown("p0"), shown("p1")
    served.ask("/fhir/Appointment?_sort=-date&_count=1")
    served.ask("/fhir/Appointment?status=booked&_summary=count")
    assert (shown("p0"), shown("p1")) == (before[0] + 1, before[1])
    assert served.parts.ledger().problems == []


COUNTS = {
    "Appointment?": 6, "Appointment?status=booked": 4, "Appointment?status=booked,arrived&_lastUpdated=gt2020": 5,
    "Appointment?status=booked,arrived": 5, "Appointment?_lastUpdated=lt2020-01-01": 0,
    "Appointment?date=2026-04-09": 1, "Appointment?_id=x": 0, "Organization?": 0, "Patient?": 2,
    "Appointment?_lastUpdated=gt2020-01-01": 6,
}  # fmt: skip
"""Query -> how many records it finds."""


@pytest.mark.parametrize("ready", [True, False])
def test_a_count_is_exact(served: Served, monkeypatch: pytest.MonkeyPatch, ready: bool) -> None:
    """`_summary=count` and `_total` tell the same number, by the index and without it; so does `_count=0`."""
    if not ready:
        monkeypatch.setattr(fhir_index.SearchIndex, "ready", lambda *_: False)
    for query, number in COUNTS.items():
        bundle = served.ask(f"/fhir/{query}&_summary=count").json
        assert (bundle["total"], "entry" in bundle) == (number, False), query
        first = served.ask(f"/fhir/{query}&_count=1&_total=accurate").json
        assert (first["total"], len(first.get("entry", ()))) == (number, min(number, 1)), query
    zero = served.ask("/fhir/Appointment?_count=0").json
    assert (zero["total"], "entry" in zero) == (6, False)
    assert served.ask("/fhir/Appointment").json["total"] == 6


def test_a_count_that_would_open_too_much_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number alone is refused with a fix; beside the matches it is left out, and the Bundle says so."""
    monkeypatch.setattr(fhir_sorted, "GATHERED", 2)
    refused = served.ask("/fhir/Appointment?date=2026-04&_summary=count")
    assert (refused.status, refused.json["issue"][0]["expression"]) == (400, ["_summary"])
    bundle = served.ask("/fhir/Appointment?date=2026-04&_total=accurate&_count=2").json
    assert "total" not in bundle
    assert bundle["entry"][-1]["resource"]["issue"][0]["code"] == "too-costly"


def test_parts_of_resources_are_tagged_in_searches_and_reads(served: Served) -> None:
    """A summary and chosen elements say that they are no whole; what is included is summed up, not cut."""
    query = "/fhir/Appointment?status=arrived&_include=Appointment:patient"
    match, include = (one["resource"] for one in served.ask(f"{query}&_elements=start").json["entry"])
    assert set(match) == {"resourceType", "id", "meta", "status", "participant", "start"}
    assert match["meta"]["tag"] == [SUBSETTED]
    assert "tag" not in include["meta"]
    _, include = (one["resource"] for one in served.ask(f"{query}&_summary=true").json["entry"])
    assert include["meta"]["tag"] == [SUBSETTED]
    path = f"/fhir/Appointment/{match['id']}"
    assert served.ask(f"{path}?_elements=start").json == match
    whole = served.ask(path)
    assert served.ask(f"{path}?_summary=data").json == whole.json
    held = {"If-None-Match": whole.headers["ETag"]}
    assert served.ask(f"{path}?_summary=true", headers=held).status == 200
    assert served.ask(path, headers=held).status == 304
    assert b"\n  " in served.ask(f"{path}?_pretty=true").body
    assert served.ask(f"{path}?_summary=count").status == 400
    refused = served.ask(f"{path}?colour=red")
    assert (refused.status, refused.json["issue"][0]["expression"]) == (400, ["colour"])
    assert served.ask(f"{path}?colour=red", headers={"Prefer": "handling=lenient"}).status == 200


def test_provenance_comes_along(served: Served) -> None:
    """`_revinclude=Provenance:target` brings the origin of each version shown, which can be read by itself."""
    bundle = served.ask("/fhir/Appointment?status=arrived&_revinclude=Provenance:target").json
    match, made = (one["resource"] for one in bundle["entry"])
    assert bundle["entry"][1]["search"]["mode"] == "include"
    assert made["target"] == [{"reference": f"Appointment/{match['id']}/_history/{match['meta']['versionId']}"}]
    assert served.ask(f"/fhir/Provenance/{made['id']}").json == made


VALUES = {"date": "2026-03-02", "token": "x", "reference": "x"}
"""A value of each kind of parameter."""


def test_what_is_declared_is_what_works(served: Served) -> None:
    """Each declared interaction, parameter and include is answered, and an interaction that is not is refused."""
    id = uuid.uuid4()
    declared = served.ask("/fhir/metadata").json["rest"][0]["resource"]
    for one in declared:
        name, codes = one["type"], {each["code"] for each in one["interaction"]}
        if name in {"Subscription", "AuditEvent", "Provenance"}:
            continue
        assert codes == {"read", "vread", "search-type"}
        assert served.ask(f"/fhir/{name}/{id}").status == 404
        assert served.ask(f"/fhir/{name}/{id}/_history/1").status == 404
        assert served.ask(f"/fhir/{name}/{id}", method="DELETE").status == 405
        params = {each["name"]: each["type"] for each in one["searchParam"]}
        values = {param: str(id) if kind == "reference" else VALUES[kind] for param, kind in params.items()}
        asked = [*values.items(), *(("_include", each) for each in one.get("searchInclude", ()))]
        asked += [("_revinclude", each) for each in one["searchRevInclude"]]
        answer = served.ask(f"/fhir/{name}?{urlencode(asked)}")
        assert answer.status == 200, (name, answer.body)
