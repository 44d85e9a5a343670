"""Bulk Data over real sockets: whole exports, deletions, crashes, and servers that change what they gave."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import Backpressure, SourceUnavailable, StoreUnavailable
from tests.unit.adapters.fhir.server import Server, with_server

TYPES = ("Patient", "Appointment")


def test_an_export_is_stored_whole_and_tidied_up() -> None:
    """Every resource of the types arrives once, the next export begins at transactionTime, the files are released."""

    async def body(server: Server) -> None:
        exports = server.exports(*TYPES)
        await exports.poll(server.intake)
        for type in TYPES:
            assert sorted(server.ids(type)) == sorted(server.simulator.tables[type])
        assert server.simulator.exports.released == ["1"]
        assert server.waits == [0.0]
        server.tick(3600)
        server.simulator.touch("Patient", "p3", active=False)
        before = len(server.intake.items)
        await exports.poll(server.intake)
        assert len(server.intake.items) == before + 1
        assert server.simulator.exports.asked[1]["_since"] == "2026-06-01T12:00:00.000Z"
        await exports.poll(server.intake)
        assert len(server.simulator.exports.asked) == 2

    with_server(body)


def test_deletions_and_errors_of_an_export_arrive() -> None:
    """A deleted file becomes removals, an error file becomes findings without the server's texts."""

    async def body(server: Server) -> None:
        server.simulator.remove("Patient", "p9")
        issue = {"severity": "error", "code": "not-found", "diagnostics": "Jane Roe", "expression": ["Patient.name"]}
        server.simulator.exports.failed.append({"resourceType": "OperationOutcome", "issue": [issue]})
        await server.exports("Patient").poll(server.intake)
        (gone,) = [one for one in server.intake.items if one.kind == "Patient deleted"]
        assert gone.order_key == "p9"
        (finding,) = server.intake.findings
        assert (finding.reason, finding.where) == ("outcome-not-found", "Patient.name")
        assert "Roe" not in repr(finding)

    with_server(body)


def test_a_step_waits_until_there_is_room() -> None:
    """While more waits to be normalized than may, the file stays open: it is fetched once, and nothing is lost."""

    async def body(server: Server) -> None:
        original, full = server.intake.accept, 5

        async def crowded(items, **more):
            nonlocal full
            if items and full:
                full -= 1
                raise Backpressure("Too many messages wait to be normalized")
            return await original(items, **more)

        server.intake.accept = crowded
        await server.exports("Patient").poll(server.intake)
        assert sorted(server.ids("Patient")) == sorted(server.simulator.tables["Patient"])
        assert server.waits[1:] == [2.0] * 5
        assert len(server.simulator.exports.asked) == 1

    with_server(body)


def test_a_crash_goes_on_in_the_line_after_the_last_commit() -> None:
    """A new process asks for no second export and stores only the lines that are still missing."""

    async def body(server: Server) -> None:
        original, calls = server.intake.accept, 0

        async def third_fails(items, **more):
            nonlocal calls
            calls += bool(items)
            if calls == 3:
                raise StoreUnavailable("The store cannot commit")
            return await original(items, **more)

        server.intake.accept = third_fails
        with pytest.raises(StoreUnavailable):
            await server.exports(*TYPES).poll(server.intake)
        stored = len(server.intake.items)
        server.intake.accept = original
        submitted = 0

        async def counted(items, **more):
            nonlocal submitted
            submitted += len(items)
            return await original(items, **more)

        server.intake.accept = counted
        await server.exports(*TYPES).poll(server.intake)
        total = sum(len(server.simulator.tables[type]) for type in TYPES)
        assert 0 < stored < total
        assert submitted == total - stored
        assert len(server.simulator.exports.asked) == 1

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gateway_fhir.transport_bulk._STEP_ITEMS", 15)
        with_server(body)


@pytest.mark.parametrize(("fault", "words"), [("export-fails", "failed"), ("short-file", "shorter")])
def test_an_unsound_export_does_not_move_the_time(fault: str, words: str) -> None:
    """A failed export and a cut file are errors; the next export begins where this one began and brings the rest."""

    async def body(server: Server) -> None:
        server.simulator.fail(fault)
        with pytest.raises(SourceUnavailable, match=words):
            await server.exports(*TYPES).poll(server.intake)
        assert "since" not in msgspec.json.decode(server.intake.cursors["export"])
        await server.exports(*TYPES).poll(server.intake)
        for type in TYPES:
            assert sorted(server.ids(type)) == sorted(server.simulator.tables[type])

    with_server(body)


def test_an_export_that_changes_while_it_is_read_begins_anew() -> None:
    """Files of another transactionTime are not joined to those stored before a crash."""

    async def body(server: Server) -> None:
        original, calls = server.intake.accept, 0

        async def second_fails(items, **more):
            nonlocal calls
            calls += bool(items)
            if calls == 2:
                raise StoreUnavailable("The store cannot commit")
            return await original(items, **more)

        server.intake.accept = second_fails
        with pytest.raises(StoreUnavailable):
            await server.exports(*TYPES).poll(server.intake)
        server.intake.accept = original
        server.tick()
        server.simulator.fail("export-changes")
        with pytest.raises(SourceUnavailable, match="changed"):
            await server.exports(*TYPES).poll(server.intake)
        await server.exports(*TYPES).poll(server.intake)
        for type in TYPES:
            assert set(server.ids(type)) == set(server.simulator.tables[type])

    with_server(body)


def test_an_export_that_never_ends_is_given_up() -> None:
    """After export_patience_seconds the export is cancelled at the server and asked for anew later."""

    async def body(server: Server) -> None:
        server.simulator.exports.busy = 10
        exports = server.exports("Patient")
        exports._sleep = _hour(server)
        with pytest.raises(SourceUnavailable, match="longer"):
            await exports.poll(server.intake)
        assert server.simulator.exports.released == ["1"]
        assert server.intake.items == []

    with_server(body, export_patience_seconds=7000)


def _hour(server: Server):
    async def sleep(seconds: float) -> None:
        server.tick(3600)

    return sleep
