"""Records in a FHIR server: each once, in order, whatever happens on the way; a refusal says why without values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from gateway.model.exchange import HELD, Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway.transport.smart import SigningKey
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET, FhirSimulator
from gateway_fhir_push.config import FhirPushConfig
from gateway_fhir_push.plugin import FhirPushSink
from tests.unit.adapters.fhir.server import CLINIC, EC_PEM, normalize
from tests.waiting import PATIENCE

PATIENT, VISIT, OTHER = (f"0b7e1f6a-5d0c-8a3e-9c1d-2f4b6a8c0e1{n}" for n in (1, 2, 3))
ADA = {"name": {"family": "Byrne", "given": "Ada"}, "birth_date": "1980-05-04"}
BOOKED = {"start": "2026-03-02T09:30:00-06:00", "status": "booked", "patient": PATIENT}
OURS = "urn:emr-gateway:record"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH_KEY", EC_PEM)
    monkeypatch.setenv("PUSH_SECRET", CLIENT_SECRET)


def change(
    type: str, id: str, fields: dict[str, Any], *, version: int = 1, change: Any = "", order: str = "o"
) -> Delivery:
    return Delivery(
        key=f"{id}{version}", change=change or ("created" if version == 1 else "updated"), type=type, record_id=id,
        order=order, version=version, at="2026-03-01T12:00:00Z", source="north", observed_at="2026-03-01T12:00:00Z",
        fields=tuple(fields), body=msgspec.json.encode(fields),
    )  # fmt: skip


ARRIVED = change("Patient", PATIENT, ADA)
SEEN = change("Appointment", VISIT, BOOKED)
ANOTHER = change("Patient", OTHER, ADA, order="p")


@asynccontextmanager
async def server(**settings: Any) -> AsyncIterator[tuple[Any, FhirSimulator]]:
    simulator = FhirSimulator(CLINIC, jwks=SigningKey(EC_PEM, "k").jwks())
    await simulator.start()
    simulator.tables.clear()
    chosen = {"auth": "client-secret", "client_id": CLIENT_ID, "client_secret": "env:PUSH_SECRET", **settings}
    config = FhirPushConfig.model_validate({"base_url": simulator.fhir_base, "timeout_seconds": 5.0, **chosen})
    sink = FhirPushSink().open("ehr", config)
    try:
        async with asyncio.timeout(PATIENCE):
            yield sink, simulator
    finally:
        await sink.close()
        await simulator.stop()


async def push(sink: Any, *deliveries: Delivery) -> Sequence[Outcome]:
    return await sink.deliver(Dispatch(id="1", route="ehr", deliveries=deliveries))


async def done(sink: Any, *deliveries: Delivery) -> None:
    outcomes = await push(sink, *deliveries)
    assert all(isinstance(one, Delivered) for one in outcomes), outcomes


@pytest.mark.parametrize("bundle", ["batch", "transaction"])
@pytest.mark.parametrize("write", ["by-id", "by-identifier", "create-by-identifier"])
def test_a_repeat_writes_nothing_twice(bundle: str, write: str) -> None:
    """Whatever the way of writing, a dispatch that comes again leaves one resource of each record."""

    async def run() -> None:
        async with server(bundle=bundle, write=write) as (sink, simulator):
            for _ in range(2):
                await done(sink, ARRIVED, SEEN)
            (patient,) = simulator.tables["Patient"].values()
            (visit,) = simulator.tables["Appointment"].values()
            assert patient["name"][0]["family"] == "Byrne"
            assert patient["meta"]["tag"] == [{"system": "urn:emr-gateway:pushed-by", "code": "emr-gateway"}]
            assert patient["meta"]["source"] == "urn:emr-gateway:source:north"
            actor = visit["participant"][0]["actor"]
            if write == "by-id":
                assert (patient["id"], actor) == (PATIENT, {"reference": f"Patient/{PATIENT}"})
            else:
                assert patient["identifier"] == [{"system": OURS, "value": PATIENT}]
                assert actor == {"type": "Patient", "identifier": {"system": OURS, "value": PATIENT}}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("write", "family", "left"),
    [("by-id", "Lovelace", 0), ("by-identifier", "Lovelace", 0), ("create-by-identifier", "Byrne", 1)],
)
def test_later_versions_and_ends_follow(write: str, family: str, left: int) -> None:
    """A new version replaces the one before and a removed record goes; what is only created stays as it was."""

    async def run() -> None:
        async with server(write=write) as (sink, simulator):
            await done(sink, ARRIVED, change("Patient", PATIENT, {"name": {"family": "Lovelace"}}, version=2))
            (patient,) = simulator.tables["Patient"].values()
            assert patient["name"][0]["family"] == family
            for _ in range(2):
                await done(sink, change("Patient", PATIENT, ADA, version=3, change="removed"))
            assert len(simulator.tables["Patient"]) == left

    asyncio.run(run())


@pytest.mark.parametrize(("bundle", "sizes"), [("batch", [2, 1]), ("transaction", [3])])
def test_what_must_keep_its_order_goes_in_bundles_of_its_own(bundle: str, sizes: list[int]) -> None:
    """A batch holds one write of each patient; a transaction, which happens whole, several of different records."""

    async def run() -> None:
        async with server(bundle=bundle) as (sink, simulator):
            await done(sink, ARRIVED, ANOTHER, SEEN)
            assert [len(one["entry"]) for one in simulator.writes.bundles] == sizes

    asyncio.run(run())


@pytest.mark.parametrize("bundle", ["batch", "transaction"])
def test_one_refused_write_stops_its_own_patient_only(bundle: str) -> None:
    """The refused one says the issue's code, what follows it is held, and the other patient's write is done."""

    async def run() -> None:
        async with server(bundle=bundle) as (sink, simulator):
            simulator.fail("refused-write", 1 if bundle == "batch" else 2)  # in the Bundle, then alone
            outcomes = await push(sink, ARRIVED, SEEN, ANOTHER)
            assert list(outcomes[:2]) == [Rejected("outcome-invalid"), HELD]
            assert isinstance(outcomes[2], Delivered)
            assert list(simulator.tables["Patient"]) == [OTHER]
            assert not simulator.tables.get("Appointment")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("429", "rate-limited"), ("500", "source-unavailable"), ("html", "unclear-answer"),
        ("half-body", "source-unavailable"), ("401", "source-unavailable"), ("odd-answer", "unclear-answer"),
        ("conflict", "status-409"),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_and_done_once(fault: str, reason: str) -> None:
    """Limits, broken servers, ended tokens and conflicts cost an attempt; the next one leaves one resource."""

    async def run() -> None:
        async with server() as (sink, simulator):
            await done(sink, ANOTHER)
            simulator.fail(fault)
            (outcome,) = await push(sink, ARRIVED)
            assert isinstance(outcome, Retry)
            assert outcome.reason == reason
            await done(sink, ARRIVED)
            assert set(simulator.tables["Patient"]) == {PATIENT, OTHER}

    asyncio.run(run())


def test_a_bundle_that_is_too_large_goes_in_pieces() -> None:
    """A server that takes no Bundle of several writes gets them one by one."""

    async def run() -> None:
        async with server() as (sink, simulator):
            simulator.fail("no-bundles", 9)
            await done(sink, ARRIVED, ANOTHER)
            assert [len(one["entry"]) for one in simulator.writes.bundles] == [1, 1]

    asyncio.run(run())


def test_what_is_referred_to_may_come_later() -> None:
    """A server that checks references refuses a visit before its patient, and takes it after."""

    async def run() -> None:
        async with server() as (sink, simulator):
            simulator.writes.checks_references = True
            assert await push(sink, SEEN) == [Retry("outcome-not-found")]
            await done(sink, ARRIVED, SEEN)

    asyncio.run(run())


def test_an_identifier_that_is_there_twice_needs_a_person() -> None:
    """412 of a conditional write says that somebody copied our identifier: nothing is written."""

    async def run() -> None:
        async with server(write="by-identifier") as (sink, simulator):
            row = {"resourceType": "Patient", "identifier": [{"system": OURS, "value": PATIENT}]}
            simulator.tables["Patient"] = {"a": {**row, "id": "a"}, "b": {**row, "id": "b"}}
            assert await push(sink, ARRIVED) == [Rejected("identifier-found-twice")]

    asyncio.run(run())


def test_a_type_without_a_resource_is_refused_without_a_request() -> None:
    """The route's types are to be named; the reason says so."""

    async def run() -> None:
        async with server() as (sink, simulator):
            assert await push(sink, change("LedgerEntry", OTHER, {})) == [Rejected("type-has-no-resource")]
            assert simulator.writes.bundles == []

    asyncio.run(run())


def test_a_signed_assertion_opens_the_door() -> None:
    """SMART Backend Services with the registered key; the scope asked for is one to write."""

    async def run() -> None:
        async with server(auth="smart", private_key="env:PUSH_KEY", key_id="k") as (sink, simulator):
            await done(sink, ARRIVED)
            assert simulator.scopes == ["system/*.cud"]

    asyncio.run(run())


def test_our_own_source_leaves_alone_what_we_pushed() -> None:
    """What the server holds of ours makes no second record; without the setting, or under another tag, it is read."""

    async def run() -> None:
        async with server() as (sink, simulator):
            await done(sink, ARRIVED)
            body = msgspec.json.encode(simulator.tables["Patient"][PATIENT])
            assert normalize()(body, b"").suppressed == "pushed-by-us"
            assert normalize(skip_tag="")(body, b"").patches
            assert normalize(skip_tag="another")(body, b"").patches

    asyncio.run(run())
