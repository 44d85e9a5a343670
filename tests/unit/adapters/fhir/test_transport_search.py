"""Search over real sockets: everything once, changes as they come, lying servers survived without a gap."""

from __future__ import annotations

import msgspec
import pytest
from yarl import URL

from gateway.errors import SourceUnavailable, StoreUnavailable
from gateway_fhir.transport_search import same_server
from tests.unit.adapters.fhir.server import Server, with_server


def test_a_first_search_brings_every_resource_once() -> None:
    """All pages are followed and every resource is stored once, byte for byte as served."""

    async def body(server: Server) -> None:
        await server.search("Patient").poll(server.intake)
        held = server.simulator.tables["Patient"]
        assert sorted(server.ids("Patient")) == sorted(held)
        assert all(msgspec.json.decode(one.body) in held.values() for one in server.intake.items)
        assert {one.order_key for one in server.intake.items} == set(held)

    with_server(body, page_size=7)


def test_a_second_search_brings_only_what_changed() -> None:
    """The cursor is the latest change seen; only changes after it are new messages."""

    async def body(server: Server) -> None:
        stream = server.search("Appointment")
        await stream.poll(server.intake)
        before = len(server.intake.items)
        server.tick()
        server.simulator.touch("Appointment", "a3", status="cancelled")
        await stream.poll(server.intake)
        await stream.poll(server.intake)
        new = server.intake.items[before:]
        assert [msgspec.json.decode(one.body)["id"] for one in new] == ["a3"]

    with_server(body)


def test_a_server_that_keeps_answers_is_asked_for_new_ones() -> None:
    """Some servers answer the same search for a minute as they did before: a change told in between would stay away."""

    async def body(server: Server) -> None:
        server.simulator.search.reuses = True
        stream = server.search("Patient")
        await stream.poll(server.intake)
        await stream.poll(server.intake)
        before = len(server.intake.items)
        server.simulator.touch("Patient", "p3", active=False)
        await stream.poll(server.intake)
        assert len(server.intake.items) == before + 1

    with_server(body)


def test_what_all_changed_at_one_time_is_handed_in_once() -> None:
    """After a move between systems each look reads everything again behind its cursor; only changes are handed in."""

    async def body(server: Server) -> None:
        handed: list[int] = []
        original = server.intake.accept

        async def counted(items, **more):
            handed.append(len(items))
            return await original(items, **more)

        server.intake.accept = counted
        stream = server.search("Patient")
        await stream.poll(server.intake)
        assert sum(handed) == len(server.simulator.tables["Patient"])
        await stream.poll(server.intake)
        server.simulator.tables["Patient"]["p2"]["active"] = False  # in the same millisecond: only its bytes tell
        await stream.poll(server.intake)
        await stream.poll(server.intake)
        assert sum(handed) == len(server.simulator.tables["Patient"]) + 1

    with_server(body, page_size=7)


def test_a_crash_between_pages_costs_one_page() -> None:
    """The cursor names the next page and is stored with the page before it."""

    async def body(server: Server) -> None:
        stream = server.search("Patient")
        original = server.intake.accept

        async def third_fails(items, **more):
            if len(server.intake.items) >= 20:
                raise StoreUnavailable("The store cannot commit")
            return await original(items, **more)

        server.intake.accept = third_fails
        with pytest.raises(StoreUnavailable):
            await stream.poll(server.intake)
        server.intake.accept = original
        assert len(server.intake.items) == 20
        asked = sum(server.simulator.answered.values())
        await server.search("Patient").poll(server.intake)
        assert sorted(server.ids("Patient")) == sorted(server.simulator.tables["Patient"])
        assert sum(server.simulator.answered.values()) - asked == 2

    with_server(body, page_size=10)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("looping-links", "loop"),
        ("foreign-link", "another place"),
        ("wrong-total", "fewer resources"),
        ("html", "instead of JSON"),
        ("500", "status 500"),
        ("429", "budget"),
        ("half-body", "within an answer"),
        ("401", "401|login"),
    ],
)
def test_a_lying_server_never_moves_the_cursor_over_a_gap(fault: str, words: str) -> None:
    """Loops, foreign links, wrong totals, web pages, cut answers, refusals end the search; once healed all is there."""

    async def body(server: Server) -> None:
        await server.search("Location").poll(server.intake)  # the token is there before the fault is
        server.simulator.fail(fault, 10)
        stream = server.search("Patient")
        with pytest.raises(SourceUnavailable, match=words):
            await stream.poll(server.intake)
        server.simulator.heal()
        server.tick()
        await stream.poll(server.intake)
        assert sorted(server.ids("Patient")) == sorted(server.simulator.tables["Patient"])

    with_server(body, page_size=50, retries=0)


@pytest.mark.parametrize(
    "link", ["mailto:x@example.org", "javascript:1", "//evil.example/Patient", "https://user@fhir.example.org/x"]
)
def test_a_next_link_that_is_no_address_of_the_server_is_an_error_of_ours(link: str) -> None:
    """Whatever a server names as its next page, the source waits for another answer; nothing else breaks."""
    with pytest.raises(SourceUnavailable):
        same_server(link, URL("https://fhir.example.org/r4"), "Patient")


def test_links_of_a_server_behind_a_proxy_are_followed() -> None:
    """Who does not know that a proxy ends TLS writes http; a relative link is one of the base, or of the type."""
    base = URL("https://ehr.example.org/fhir")
    for link, wanted in (
        ("http://ehr.example.org/fhir?_getpages=a%2Cb", "https://ehr.example.org/fhir?_getpages=a%2Cb"),
        ("Patient?page=2", "https://ehr.example.org/fhir/Patient?page=2"),
        ("?page=2", "https://ehr.example.org/fhir/Patient?page=2"),
        ("/fhir/Patient?page=2", "https://ehr.example.org/fhir/Patient?page=2"),
    ):
        assert str(same_server(link, base, "Patient")) == wanted
    with pytest.raises(SourceUnavailable):
        same_server("http://ehr.example.org:8080/fhir?page=2", base, "Patient")


def test_one_resource_that_cannot_be_read_stops_no_search() -> None:
    """It was given, as the total says: it becomes a finding, and the cursor moves."""

    async def body(server: Server) -> None:
        server.simulator.tables["Patient"]["p2"]["resourceType"] = 7
        await server.search("Patient").poll(server.intake)
        assert [one.reason for one in server.intake.findings] == ["unreadable-resource"]
        assert "since" in msgspec.json.decode(server.intake.cursors["search:Patient"])

    with_server(body)


def test_pages_without_end_are_bounded() -> None:
    """A server that names ever new pages is left after the configured number, and nothing is taken for complete."""

    async def body(server: Server) -> None:
        server.simulator.fail("endless-pages", 1000)
        with pytest.raises(SourceUnavailable, match="do not end"):
            await server.search("Location").poll(server.intake)
        assert "since" not in server.intake.cursors["search:Location"]

    with_server(body, most_pages=20)


def test_a_refused_and_an_expired_token_are_replaced() -> None:
    """A 401 in the middle and a token that has ended cost one more token, not the search."""

    async def body(server: Server) -> None:
        stream = server.search("Patient")
        original = server.intake.accept

        async def spoiling(items, **more):
            server.intake.accept = original
            server.simulator.fail("401")
            return await original(items, **more)

        server.intake.accept = spoiling
        await stream.poll(server.intake)
        assert server.simulator.shown["401"] == 1
        server.simulator.tokens.clear()
        server.tick()
        server.simulator.touch("Patient", "p1", active=False)
        await stream.poll(server.intake)
        assert len(server.simulator.scopes) == 3
        assert len(server.intake.items) == len(server.simulator.tables["Patient"]) + 1

    with_server(body, page_size=10)


def test_a_change_dated_in_the_future_hides_nothing() -> None:
    """A wrong clock on one resource does not move the cursor past changes that are still to come."""

    async def body(server: Server) -> None:
        server.simulator.tables["Patient"]["p1"]["meta"]["lastUpdated"] = "2031-01-01T00:00:00.000Z"
        stream = server.search("Patient")
        await stream.poll(server.intake)
        server.tick()
        server.simulator.touch("Patient", "p2", active=False)
        before = len(server.intake.items)
        await stream.poll(server.intake)
        assert len(server.intake.items) == before + 1

    with_server(body)


def test_an_operation_outcome_becomes_an_error_with_its_place() -> None:
    """A refused search names issue type and element, with a cure and without the server's own text."""

    async def body(server: Server) -> None:
        server.simulator.fail("refused-search")
        with pytest.raises(SourceUnavailable) as refused:
            await server.search("Patient").poll(server.intake)
        assert refused.value.what == "The server reports an issue of type not-supported"
        assert refused.value.where == "Patient.name"
        assert refused.value.fix
        assert "anything" not in str(refused.value)

    with_server(body)
