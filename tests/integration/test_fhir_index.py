"""The search index beside the journal: it finds what opening everything finds, and is never behind its answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from gateway.access import View
from gateway.flow.shred import Shredder
from gateway.flow.texts import keep_texts
from gateway.http import directory, fhir_find, fhir_index, fhir_lookup
from gateway.http.fhir_index import SearchIndex
from gateway.store import journal, searching
from gateway.vault.shred_list import ShredList
from tests.integration.parts import TENANT, Parts, appointment, message, patient, removed
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import add_client

FULL = View("full", {"Patient": ["*"], "Appointment": ["*"]})
DATELESS = View("dateless", {"Appointment": ["status", "patient"]})
KEYS: dict[str, str] = {}
"""API keys of clients by their views."""
QUERIES = (
    "Appointment?status=cancelled", "Appointment?status=booked&_count=1", "Appointment?date=2026-04-01",
    "Appointment?date=2026-04", "Appointment?date=ge2026-04-02", "Appointment?date=lt2026-04-02&_count=2",
    "Appointment?date=2026-04&status=cancelled", "Appointment?_lastUpdated=gt2020-01-01&_count=2",
    "Appointment?date=ne2026-04-01", "Patient?identifier=77-2", "Patient?identifier=http://x|77-2", "Appointment",
    "Patient?birthdate=1980-05-06",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(shared: Parts) -> Iterator[Served]:
    """A server with four patients of two appointments each in March and April."""
    patch = pytest.MonkeyPatch()
    patch.setattr(directory, "HOLD_SECONDS", 0.1)
    parts = shared
    for number in (1, 2, 3, 4):
        name = f"p{number}"
        known = [{"value": f"77-{number}", "type": "MR", "authority": "http://x"}]
        parts.take(
            message(patient(name, f"Family{number}", identifiers=known, birth_date=f"198{number % 2}-05-06")),
            message(appointment(f"a{number}", name)),
            message(appointment(f"b{number}", name, start=f"2026-04-0{number}T10:00:00-05:00", status="cancelled")),
        )
    views = {view.name: view for view in (FULL, DATELESS)}
    texts = [(bytes.fromhex(view.version), "view", view.text) for view in views.values()]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], texts))
    key = add_client(parts, view="full")[1]
    KEYS["dateless"] = add_client(parts, view="dateless")[1]
    with serving(parts, views=views) as running:
        running.key = key
        yield running
    patch.undo()


def index_of(served: Served) -> SearchIndex:
    """An index of another process on the same store, caught up."""
    index = SearchIndex(served.house)
    index.choose(TENANT)
    while index.step(TENANT):
        pass
    return index


def found(served: Served, query: str, **more: Any) -> list[str]:
    """Ids of all matches over every page, in order."""
    ids: list[str] = []
    url = f"/fhir/{query}"
    while url:
        answer = served.ask(url, **more)
        assert answer.status == 200, answer.body
        ids += [entry["resource"]["id"] for entry in answer.json.get("entry", ())]
        url = next((link["url"] for link in answer.json["link"] if link["relation"] == "next"), "")
    return ids


def one(served: Served, kind: str, native_id: str) -> str:
    return str(uuid.UUID(bytes=served.parts.record(kind, native_id)))


def candidates(served: Served, query: str, **more: Any) -> tuple[list[str], int]:
    """What a search finds, and how many candidates it opened in vain."""
    opened = []
    original = fhir_find.Reader.search

    async def counted(self: Any, rows: Any, matches: Any) -> Any:
        kept = await original(self, rows, matches)
        opened.append(len(rows) - len(kept))
        return kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fhir_find.Reader, "search", counted)
        return found(served, query, **more), sum(opened)


def test_the_index_finds_what_opening_everything_finds(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search gives the same records with the index and without it, each once, over pages of any size."""
    index_of(served)
    with_index = {query: found(served, query) for query in QUERIES}
    monkeypatch.setattr(fhir_index.SearchIndex, "ready", lambda *_: False)
    for query in QUERIES:
        without = found(served, query)
        assert sorted(with_index[query]) == sorted(without), query
        assert len(set(with_index[query])) == len(with_index[query]), query
    assert len(with_index["Appointment?date=2026-04&status=cancelled"]) == 4
    assert served.parts.ledger().problems == []


@pytest.mark.parametrize(("few", "probes"), [(2000, 20_000), (0, 20_000), (2000, 1), (1, 2)])
def test_days_are_looked_at_together_or_one_by_one(
    served: Served, monkeypatch: pytest.MonkeyPatch, few: int, probes: int
) -> None:
    """Few records or many a day, looked at to the end or in parts: a search over days gives each record once."""
    index_of(served)
    monkeypatch.setattr(fhir_lookup, "FEW", few)
    monkeypatch.setattr(fhir_lookup, "PROBES", probes)
    for query in ("date=2026-04&status=cancelled", "date=ge2026-03-01&status=cancelled"):
        for count in (1, 3, 50):
            ids = found(served, f"Appointment?{query}&_count={count}")
            assert (len(ids), len(set(ids))) == (4, 4), (query, count)


def test_a_month_costs_a_few_questions(served: Served) -> None:
    """Its days are asked after several at a time, while few records are on them."""
    index = index_of(served)
    wanted = fhir_lookup.Wanted(
        "Appointment", "date", (), (date(2026, 4, 1), date(2026, 4, 30)), (("status", ("cancelled",)),)
    )
    asked = []
    with served.parts.store._reading.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2]))
        pairs, last = index.lookup._look(connection, TENANT, wanted, ("", b""), 50, [[_digest(served)]])
    assert (len(pairs), last) == (4, None)
    assert len(asked) <= 8, asked


def _digest(served: Served) -> bytes:
    return served.parts.vault.blind(TENANT, "search/Appointment.status", "cancelled")


def test_a_search_opens_what_it_shows_and_nothing_else(served: Served) -> None:
    """Through the index no candidate is opened in vain, by day, by identifier, and by day and state together."""
    index_of(served)
    for query, count in (
        ("Appointment?date=2026-04-03", 1), ("Patient?identifier=77-2", 1),
        ("Appointment?date=2026&status=cancelled", 4),
    ):  # fmt: skip
        ids, in_vain = candidates(served, query)
        assert (len(ids), in_vain) == (count, 0), query


def test_a_search_is_complete_up_to_the_moment_it_is_asked(served: Served) -> None:
    """What was created, changed or removed a moment ago is found, found anew, and found no more."""
    late = "2026-07-01T10:00:00-05:00"
    served.parts.take(
        message(patient("q1", "Late")), *(message(appointment(name, "q1", start=late)) for name in ("n1", "n2", "n3"))
    )
    day = "Appointment?date=2026-07-01"
    assert sorted(found(served, day)) == sorted(one(served, "Appointment", name) for name in ("n1", "n2", "n3"))
    served.parts.take(
        message(appointment("n2", "q1", start="2026-07-02T10:00:00-05:00")),
        message(removed("Appointment", "n3", of="q1"), key="q1"),
    )
    assert found(served, day) == [one(served, "Appointment", "n1")]
    assert found(served, "Appointment?date=2026-07-02") == [one(served, "Appointment", "n2")]


def test_what_arrives_meanwhile_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """While much comes in, a search waits for what was there when it was asked, and not for an end that never comes."""
    index, steps = SearchIndex(served.house), []
    index_of(served)
    read_on = index._read_on

    def busy(tenant: str, state: fhir_index.State) -> int:
        steps.append(state.lag)
        served.parts.take(message(appointment(f"late{len(steps)}", "p4", status="arrived"), key=f"late{len(steps)}"))
        return read_on(tenant, state)

    monkeypatch.setattr(index, "_read_on", busy)
    served.parts.take(message(appointment("late", "p4", status="arrived"), key="late"))
    assert index.ready(TENANT, "Appointment")
    assert len(steps) <= 2
    assert len(found(served, "Appointment?status=arrived")) == 1 + len(steps)
    removals = [message(removed("Appointment", f"late{number or ''}", of="p4")) for number in range(len(steps) + 1)]
    served.parts.take(*removals)


def test_who_searches_is_not_made_to_wait_for_a_pause(served: Served) -> None:
    """An index that a search found behind keeps up although much is unsettled, for a while."""
    index = SearchIndex(served.house)
    assert not index._is_needed(TENANT)
    for number in range(50):  # the server's own index may be faster
        served.parts.take(message(appointment("new", "p4", reason=f"{number}")))
        index.ready(TENANT, "Appointment")
        if index._is_needed(TENANT):
            break
    served.parts.take(message(removed("Appointment", "new", of="p4")))
    assert index._is_needed(TENANT)
    index._needed[TENANT] -= fhir_index.NEEDED_SECONDS
    assert not index._is_needed(TENANT)


def test_an_index_far_behind_is_not_believed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """While too much is left to read, a search opens candidates as they come, and misses nothing."""
    monkeypatch.setattr(fhir_index, "CATCH_UP", -1)
    assert len(found(served, "Appointment?date=2026-04&status=cancelled")) == 4


def test_a_page_does_not_end_in_silence(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the index was begun anew between two pages, the second is asked for again instead of being empty."""
    first = served.ask("/fhir/Appointment?date=2026-04&_count=2")
    url = next(link["url"] for link in first.json["link"] if link["relation"] == "next")
    monkeypatch.setattr(fhir_index, "CATCH_UP", -1)
    assert served.ask(url).status == 503
    monkeypatch.undo()
    assert len(served.ask(url).json["entry"]) == 2


def test_who_sees_a_part_is_not_answered_from_the_whole(served: Served) -> None:
    """A view without dates finds none, and the number of its pages tells nothing of them either."""
    key = KEYS["dateless"]
    index_of(served)
    seen = served.ask("/fhir/Appointment?date=2026-04-01", key=key).json
    none = served.ask("/fhir/Appointment?date=2031-04-01", key=key).json
    assert "entry" not in seen
    assert [link["relation"] for link in seen["link"]] == [link["relation"] for link in none["link"]]
    everything = len(found(served, "Appointment", key=key))
    assert candidates(served, "Appointment?date=2026-04-01", key=key) == ([], everything)
    assert len(found(served, "Appointment?status=cancelled", key=key)) == 4


def test_a_new_clients_types_are_added(served: Served) -> None:
    """The index holds what living clients may see, and is begun anew only when that grows."""
    index = index_of(served)
    state = index.state(TENANT)
    assert state is not None
    assert state.types == {"Patient", "Appointment"}
    index.choose(TENANT)
    assert index.state(TENANT) == state
    settings = served.house.settings.model_copy(update={"indexed": ("Appointment",)})
    narrowed = SearchIndex(fhir_index.House(**{**vars(served.house), "settings": settings}))
    narrowed.choose(TENANT)
    again = narrowed.state(TENANT)
    assert again is not None
    assert again.types == {"Appointment"}


def test_two_processes_keep_one_index(served: Served) -> None:
    """Whoever comes second to the same changes writes nothing twice and goes on."""
    first, second = index_of(served), SearchIndex(served.house)
    before = second.state(TENANT)
    assert before is not None
    served.parts.take(message(appointment("more", "p1", start="2026-08-01T10:00:00-05:00")))
    assert first.ready(TENANT, "Appointment")
    with pytest.raises(fhir_index.Raced):
        second._read_on(TENANT, before)
    assert second.step(TENANT) == 0
    assert len(found(served, "Appointment?date=2026-08-01")) == 1


def test_nobody_who_was_shredded_is_found(served: Served, tmp_path: Any) -> None:
    """Shredding a patient takes every word of the patient's records out of the index."""
    known = [{"value": "88-2", "type": "MR", "authority": "http://x"}]
    served.parts.take(
        message(patient("q2", "Gone", identifiers=known)),
        message(appointment("g1", "q2", start="2026-09-01T10:00:00-05:00")),
    )
    index_of(served)
    parts, owner = served.parts, served.parts.record("Patient", "q2")
    ids = [parts.record("Appointment", "g1"), owner]
    assert len(parts.store.read_sync(lambda c: searching.held(c, TENANT, ids))) == 2
    Shredder(parts.store, parts.vault, parts.audit, ShredList(tmp_path / "shred")).shred(TENANT, owner, "test", "me")
    assert parts.store.read_sync(lambda c: searching.held(c, TENANT, ids)) == {}
    assert found(served, "Patient?identifier=88-2") == []
    assert found(served, "Appointment?date=2026-09-01") == []
    late = [searching.Kept(one, "Appointment", 1, frozenset({bytes(16)})) for one in ids]
    parts.store.write_sync(lambda c: searching.keep(c, TENANT, late, {}, ()))
    assert parts.store.read_sync(lambda c: searching.held(c, TENANT, ids)) == {}


def test_the_index_holds_no_value_and_no_order(served: Served) -> None:
    """Its rows are digests of sixteen bytes, under a key of the tenant, and its positions are the journal's."""
    index = index_of(served)
    state = index.state(TENANT)
    assert state is not None
    assert state.lag == 0
    assert state.cursors == served.parts.store.read_sync(lambda c: journal.heads(c, TENANT))
    known = served.parts.store.read_sync(
        lambda c: searching.held(c, TENANT, [served.parts.record("Appointment", name) for name in ("a1", "a2")])
    )
    first, second = known.values()
    assert first == second  # the same state on the same day: equal words are equal digests
    assert all(len(blind) == searching.BLIND and b"2026" not in blind for blind in first)
