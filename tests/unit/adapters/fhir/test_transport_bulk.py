"""Bulk Data over real sockets: whole exports, deletions, crashes, and servers that change what they gave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.errors import Backpressure, SourceUnavailable, StoreUnavailable
from gateway_fhir.records_lines import Lines
from gateway_fhir.transport_file import steps
from tests.unit.adapters.fhir.server import Server, elsewhere, with_server

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
        lost = {"severity": "error", "code": "exception", "expression": ["Appointment.where(id = 'Roe-7')"]}
        server.simulator.exports.failed.append({"resourceType": "OperationOutcome", "issue": [lost]})
        await server.exports("Patient").poll(server.intake)
        (gone,) = [one for one in server.intake.items if one.kind == "Patient deleted"]
        assert gone.order_key == "p9"
        finding, of_one = server.intake.findings
        assert (finding.reason, finding.where) == ("outcome-not-found", "Patient.name")
        assert (of_one.reason, of_one.where) == ("outcome-exception", "Appointment")
        assert "Roe" not in repr(server.intake.findings)

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


async def cut_off(server: Server) -> None:
    """Begin an export whose second batch the store cannot take; afterwards it can again."""
    original, calls = server.intake.accept, 0

    async def second_fails(items, **more):
        nonlocal calls
        calls += bool(items)
        if items and calls == 2:
            raise StoreUnavailable("The store cannot commit")
        return await original(items, **more)

    server.intake.accept = second_fails
    with pytest.raises(StoreUnavailable):
        await server.exports(*TYPES).poll(server.intake)
    server.intake.accept = original


class _Expired(dict):
    """Files that the manifest still names, and nobody has any more."""

    def __getitem__(self, name: str) -> list[str]:
        raise KeyError(name)


def test_files_that_are_gone_are_not_asked_for_for_good() -> None:
    """An export whose files were let go while its manifest is still there is forgotten; the next one brings all."""

    async def body(server: Server) -> None:
        await cut_off(server)
        job = server.simulator.exports._jobs["1"]
        job["files"] = _Expired(job["files"])
        with pytest.raises(SourceUnavailable, match="404"):
            await server.exports(*TYPES).poll(server.intake)
        await server.exports(*TYPES).poll(server.intake)
        assert len(server.simulator.exports.asked) == 2
        for type in TYPES:
            assert set(server.ids(type)) == set(server.simulator.tables[type])

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
        patched.setattr("gateway_fhir.transport_file._STEP_ITEMS", 15)
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


@pytest.mark.parametrize("stage", ["manifest", "file"])
@pytest.mark.parametrize("fault", ["html", "401", "429", "500", "half-body"])
def test_a_fault_in_the_middle_of_an_export_leaves_no_gap(fault: str, stage: str) -> None:
    """Web pages, refused tokens, spent budgets and cut answers: once healed everything is there, whatever came between.

    The servers of this test do not say how many lines a file has, as the standard leaves them free to.
    """

    async def body(server: Server) -> None:
        exports = server.exports(*TYPES)
        server.simulator.exports.counts = False
        original = server.intake.accept

        async def spoil(seconds: float) -> None:
            server.simulator.fail(fault)

        async def spoiling(items, **more):
            if items:
                server.intake.accept = original
                server.simulator.fail(fault)
            return await original(items, **more)

        if stage == "manifest":
            exports._sleep = spoil
        else:
            server.intake.accept = spoiling
        with pytest.raises(SourceUnavailable):
            await exports.poll(server.intake)
        assert server.simulator.shown[fault]
        assert "since" not in msgspec.json.decode(server.intake.cursors["export"])
        server.simulator.heal()
        exports._sleep = server.exports()._sleep
        await exports.poll(server.intake)
        for type in TYPES:
            assert set(server.ids(type)) == set(server.simulator.tables[type])
        assert server.intake.findings == []

    with_server(body, retries=0)


def test_an_export_that_changes_while_it_is_read_begins_anew() -> None:
    """Files of another transactionTime are not joined to those stored before a crash."""

    async def body(server: Server) -> None:
        await cut_off(server)
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


@pytest.mark.parametrize("named", [True, False])
def test_files_in_a_cloud_are_fetched_where_settings_name_it_and_without_the_token(named: bool) -> None:
    """Storages refuse a token beside a signed address; a place that the settings do not name is not visited at all."""

    async def body(server: Server) -> None:
        server.simulator.exports.open_files = elsewhere(server.simulator)
        places = (elsewhere(server.simulator),) if named else ()
        server.config = server.config.model_copy(update={"file_servers": places})
        if not named:
            with pytest.raises(SourceUnavailable, match="file_servers"):
                await server.exports("Patient").poll(server.intake)
            return
        await server.exports("Patient").poll(server.intake)
        assert sorted(server.ids("Patient")) == sorted(server.simulator.tables["Patient"])

    with_server(body)


def test_signed_addresses_whose_time_is_over_are_asked_for_anew() -> None:
    """A storage says 403 to them for ever: the export is forgotten, and the next one brings all."""

    async def body(server: Server) -> None:
        exports = server.simulator.exports
        exports.open_files, exports.expired = server.simulator.base_url, True
        with pytest.raises(SourceUnavailable, match="403"):
            await server.exports("Patient").poll(server.intake)
        exports.expired = False
        await server.exports("Patient").poll(server.intake)
        assert len(exports.asked) == 2
        assert sorted(server.ids("Patient")) == sorted(server.simulator.tables["Patient"])

    with_server(body)


def test_a_server_may_say_when_to_look_again_by_the_clock() -> None:
    """Retry-After holds seconds or a date (RFC 9110); a date is obeyed within reason."""

    async def body(server: Server) -> None:
        server.simulator.exports.retry_after = "Mon, 01 Jun 2026 12:01:30 GMT"
        await server.exports("Patient").poll(server.intake)
        assert server.waits == [90.0]

    with_server(body)


def test_a_state_that_is_refused_is_not_asked_for_for_good() -> None:
    """Some servers answer 400, not 404, for an export they have let go: the next one is asked for."""

    async def body(server: Server) -> None:
        server.intake.cursors["export"] = msgspec.json.encode(
            {"status": f"{server.simulator.fhir_base}/Patient/$export", "asked_at": server.now.timestamp()}
        ).decode()  # an address that answers 400 to whoever does not ask for an export
        with pytest.raises(SourceUnavailable):
            await server.exports("Patient").poll(server.intake)
        await server.exports("Patient").poll(server.intake)
        assert sorted(server.ids("Patient")) == sorted(server.simulator.tables["Patient"])

    with_server(body)


def test_a_packed_file_that_does_not_say_so_is_no_gap() -> None:
    """What begins like gzip is no list of unreadable lines: the export is not taken for stored."""

    async def read() -> None:
        await anext(steps(_packed(), Lines(1000), 0))

    with pytest.raises(SourceUnavailable, match="gzip"):
        asyncio.run(read())


async def _packed() -> AsyncIterator[bytes]:
    yield b"\x1f\x8b\x08"
