"""Two gateways in a row over real sockets: the facade of the first is the FHIR source of the second."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from gateway.access import View, assertion, built_in
from gateway.flow import subscriptions
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.http import directory
from gateway.mapping import Mapping
from gateway.model.fhir_places import HELD, REFERS
from gateway.transport import polling
from gateway.transport.schedule import Scheduler, seated
from gateway_fhir.command_subscribe import subscribed
from gateway_fhir.config import FhirConfig
from gateway_fhir.plugin import FhirAdapter
from gateway_fhir.records_subscription import Asked
from gateway_fhir.transport import ServerTransport
from gateway_webhook.plugin import WebhookSink
from tests.integration.parts import TENANT, Parts, Place, appointment, merged, message, patient, removed
from tests.integration.serving import Served, serving
from tests.integration.test_http_feed import add_client, pulled
from tests.waiting import PATIENCE, until

WHOLE = View("whole", {type: ["*"] for type in HELD})
SECRET = "between-the-two"
MARKED = {"Claim": "Claim", "Authorization": "ClaimResponse", "ClaimPayment": "ExplanationOfBenefit"}
"""Record types whose native id in FHIR names the resource."""
MONEY = {"charge": "150.00", "paid": "88.10"}
ADJUSTED = [{"group": "CO", "reason": "45", "amount": "50.00"}, {"group": "PR", "reason": "2", "amount": "11.90"}]


def told(type: str, native_id: str, of: str | None = None, **fields: Any) -> dict[str, Any]:
    """A record of the first gateway's source."""
    return {"type": type, "native_id": native_id, "patient": of, "fields": fields}


def to(type: str, native_id: str) -> dict[str, Any]:
    """A reference."""
    return {"ref": [type, native_id]}


def first_day(parts: Parts) -> None:
    """Records of every type that a resource is read as, with references between them."""
    zone = {"zone": "America/Chicago"}
    parts.take(
        message(told("Payer", "aetna", name="A Payer", payer_id="60054", kind="commercial"), key="x"),
        message(told("Organization", "org", name="A Group", tax_id="12-3456789", npi="1999999984"), key="x"),
        message(told("Location", "loc", name="North", organization=to("Organization", "org"), **zone), key="x"),
        message(told("Practitioner", "pt", name={"family": "Li"}, npi="1999999984", discipline="PT"), key="x"),
        message(
            told(
                "Slot", "s1", start="2026-03-02T09:00:00-06:00", end="2026-03-02T09:30:00-06:00", status="held", **zone
            ),
            key="x",
        ),
        message(told("Remittance", "r1", amount="88.10", trace_number="T-9", balanced=True, method="ACH"), key="x"),
    )
    for who in ("p1", "p2", "p3"):
        kin = {"patient": to("Patient", who)}
        contact = {"system": "phone", "value": "(202) 555-0101", "e164": "+12025550101", "use": "other"}
        insured = kin | {"payer": to("Payer", "aetna"), "coverage": to("Coverage", f"c-{who}")}
        parts.take(
            message(patient(who, "Ngo", contacts=[contact], location=to("Location", "loc"), language="vi")),
            message(
                appointment(f"a-{who}", who, status="confirmed", room="2", location=to("Location", "loc"), **zone),
                appointment(f"b-{who}", who, telehealth=True, practitioner=to("Practitioner", "pt")),
                told("Coverage", f"c-{who}", who, member_id="W1", filing_indicator="CI", **kin),
                told("EpisodeOfCare", f"e-{who}", who, status="active", diagnoses=["M54.5"], **kin),
                told("Referral", f"f-{who}", who, status="accepted", visits=12, diagnoses=["M54.5"], **kin),
                told(
                    "PlanOfCare", f"k-{who}", who, status="certified", diagnoses=["M54.5"], planned_visits=12,
                    certified_from="2026-03-01", episode=to("EpisodeOfCare", f"e-{who}"), **kin,
                ),
                told(
                    "Visit", f"l-{who}", who, start="2026-03-02T09:30:00-06:00", status="signed", minutes=38,
                    appointment=to("Appointment", f"a-{who}"), **kin, **zone,
                ),
                told("Benefit", f"g-{who}", who, service_type="PT", copay="30.00", coinsurance="0.2", **kin),
                told("Authorization", f"h-{who}", who, status="exhausted", number="N1", visits_used=12, **insured),
                told(
                    "Claim", f"i-{who}", who, control_number=f"K{who}", charge="150.00", status="accepted",
                    lines=[{"procedure_code": "97110", "charge": "150.00", "modifiers": ["GP", "KX"], "units": "3"}],
                    **insured,
                ),
                told(
                    "ClaimPayment", f"j-{who}", who, status="processed-primary", claim=to("Claim", f"i-{who}"),
                    remittance=to("Remittance", "r1"), adjustments=ADJUSTED, claim_balanced=True, **MONEY, **kin,
                ),
            ),
        )  # fmt: skip


def second_day(parts: Parts) -> None:
    """Updates, a field that is gone, removals of records with and without a patient, and a merge."""
    parts.take(
        message(patient("p1", "Nguyen", contacts=None)),
        message(appointment("a-p1", "p1", status="completed", room=None)),
        message(removed("Appointment", "b-p1", of="p1"), key="p1"),
        message(removed("ClaimPayment", "j-p2", of="p2"), key="p2"),
        message(removed("Organization", "org"), key="x"),
        message(merged("p3", "p2")),
    )


@pytest.fixture
def first(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The first gateway, served, with its first day behind it."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    first_day(parts)
    keep_view(parts)
    with serving(parts, views={"whole": WHOLE}) as running:
        running.key = add_client(parts, view="whole")[1]
        yield running


def keep_view(parts: Parts) -> None:
    """Keep the text of the whole view, as a process does at its start."""
    text = (bytes.fromhex(WHOLE.version), "view", WHOLE.text)
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], [text]))


def joined(first: Served, second: Parts, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> ServerTransport:
    """Make the first gateway a source of the second, by SMART Backend Services with a registered key."""
    key = ECKey.generate_key("P-384")
    key.ensure_kid()
    jwks = assertion.checked_keys(json.dumps({"keys": [key.as_dict(private=False)]}))
    client, _ = add_client(first.parts, view="whole", jwks=jwks, hook_hosts=json.dumps(["127.0.0.1"]))
    monkeypatch.setenv("CHAINED_KEY", key.as_pem(private=True).decode())
    adapter = FhirAdapter()
    config = FhirConfig.model_validate(
        {
            "base_url": f"{first.url}/fhir", "profile": "gateway", "client_id": client, "key_id": key.kid,
            "private_key": "env:CHAINED_KEY", "export_seconds": 0.2, "poll_seconds": 0.1, "requests_per_minute": 60_000,
            **settings,
        }
    )  # fmt: skip
    mapping = Mapping.load(adapter.mappings, None, adapter.path).bind(zone="Pacific/Honolulu")
    source = Source.bind(TENANT, "upstream", adapter, config, mapping)
    second.sources[TENANT, "upstream"] = source
    text = (source.mapping_hash, "mapping", "fhir")
    second.store.write_sync(lambda connection: keep_texts(connection, second.audit, [TENANT], [text]))
    return ServerTransport("upstream", config)


def newest(served: Served) -> dict[str, dict[str, Any]]:
    """The newest change of every record, by id."""
    found: dict[str, dict[str, Any]] = {}
    for change in pulled(served):
        if change["id"] not in found or change["version"] > found[change["id"]]["version"]:
            found[change["id"]] = change
    return found


def there(changes: dict[str, dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    """Type and record of all that are not gone."""
    return {
        id: (one["type"], one["record"]) for id, one in changes.items() if one["change"] != "removed"
    }  # fmt: skip


def moved(records: dict[str, tuple[str, Any]], second: Parts) -> dict[str, tuple[str, Any]]:
    """What the second gateway should hold: the same records under the ids that it gives them."""

    def id_of(type: str, id: str) -> str:
        native_id = f"{MARKED[type]}/{id}" if type in MARKED else id
        return str(uuid.UUID(bytes=second.record(type, native_id, "upstream")))

    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {part: walk(one, part) for part, one in value.items()}
        if isinstance(value, list):
            return [walk(one, name) for one in value]
        return id_of(REFERS[name], value) if name in REFERS and isinstance(value, str) else value

    return {id_of(type, id): (type, walk(record)) for id, (type, record) in records.items()}


async def until_equal(transport: ServerTransport, second: Parts, served: Served, wanted: dict[str, Any]) -> None:
    """Let the second gateway follow the first until both hold the same."""
    running = asyncio.create_task(transport.run(second.receiver("upstream"), lambda: None))
    try:
        async with asyncio.timeout(PATIENCE):
            while not running.done():
                await asyncio.to_thread(second.settle)
                if there(await asyncio.to_thread(newest, served)) == wanted:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        pass
    finally:
        running.cancel()
        ended = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError), ended
    assert there(newest(served)) == wanted


def test_two_gateways_in_a_row_hold_the_same(first: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After everything new, changed, merged and removed the second holds what the first does, under its own ids."""
    (tmp_path / "second").mkdir()
    second = Place(tmp_path / "second", "embedded").open()
    try:
        transport = joined(first, second, monkeypatch)
        keep_view(second)
        with serving(second, views={"whole": WHOLE}) as served:
            served.key = add_client(second, view="whole")[1]
            began = there(newest(first))
            assert {type for type, _ in began.values()} == set(HELD)
            assert len(began) == 42
            asyncio.run(until_equal(transport, second, served, moved(began, second)))
            second_day(first.parts)
            ended = there(newest(first))
            assert len(ended) == 39
            asyncio.run(until_equal(transport, second, served, moved(ended, second)))
            assert second.ledger().problems == []
        assert first.parts.ledger().problems == []
    finally:
        second.close()


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_a_second_gateway_asks_when_it_is_told(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polling once in an hour, it has a change at once, by FHIR Subscriptions at the first that say: go and look."""
    monkeypatch.setattr(directory, "HOLD_SECONDS", 0.1)
    monkeypatch.setattr(subscriptions, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(polling, "MOST_OFTEN", 1e9)
    monkeypatch.setenv("NOTICES", SECRET)
    first_day(parts)
    keep_view(parts)
    (tmp_path / "second").mkdir()
    second = Place(tmp_path / "second", "embedded").open()
    try:
        with serving(parts, views={"whole": WHOLE}, hook_loopback=True) as first:
            first.key = add_client(parts, view="whole")[1]
            asyncio.run(told_and_asked(first, second, monkeypatch))
        assert second.ledger().problems == []
    finally:
        second.close()


async def told_and_asked(first: Served, second: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the first gateway's deliveries and the second one's polling; change something between two polls."""
    often = {"stay_current": "search", "poll_seconds": 3600, "hook_secret": "env:NOTICES"}
    transport = joined(first, second, monkeypatch, **often)
    keep_view(second)
    config = second.sources[TENANT, "upstream"].config
    entrance = FhirAdapter().hooks("upstream", config)
    assert entrance is not None
    seat, loop = Scheduler().seat(TENANT, "upstream", "fhir", {}), asyncio.get_running_loop()
    served = serving(
        second, views={"whole": WHOLE}, hooks={"upstream": (entrance, second.receiver("upstream"))},
        ask_soon=lambda source: loop.call_soon_threadsafe(seat.ask_soon) and None,
    )  # fmt: skip
    with served as shown:
        shown.key = add_client(second, view="whole")[1]
        await subscribe(config, f"{shown.url}/hooks/upstream")
        with seated(seat):
            running = asyncio.create_task(transport.run(second.receiver("upstream"), lambda: None))
        telling = asyncio.create_task(engine(first.parts).run())
        try:
            await until_same(first, second, shown)
            await until(lambda: {line.state for line in seat.lines.values()} == {"current"})
            changes = appointment("a-p1", "p1", status="completed", room=None), patient("p1", "Nguyen", contacts=None)
            await asyncio.to_thread(first.parts.take, *map(message, changes))
            await until_same(first, second, shown)
        finally:
            for task in (running, telling):
                task.cancel()
            await asyncio.gather(running, telling, return_exceptions=True)


async def subscribe(config: FhirConfig, endpoint: str) -> None:
    """Ask the first gateway, as the command does, to say so when patients or appointments change."""
    asked = Asked(subject="", endpoint=endpoint, content="empty", source="upstream")
    for done in ("made", "kept"):
        told = await subscribed(config, asked, ["Patient", "Appointment"], SECRET, anew=False, dry_run=False)
        assert [(one["done"], one["status"]) for one in told] == [(done, "active")] * 2


def engine(parts: Parts) -> subscriptions.Subscriptions:
    """Who serves the subscriptions of the first gateway."""
    sink = WebhookSink()
    views = {**built_in(), "whole": WHOLE}
    return subscriptions.Subscriptions(
        parts.store, parts.vault, parts.audit, views, (sink, sink.info), [], loopback=True
    )


async def until_same(first: Served, second: Parts, shown: Served) -> None:
    """Wait until the second gateway holds what the first does."""

    def same() -> bool:
        second.settle()
        return there(newest(shown)) == moved(there(newest(first)), second)

    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(same):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_a_second_gateway_follows_by_search(first: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searched by `_lastUpdated`, page by page, every type comes over whole, and so does what changes later."""
    (tmp_path / "second").mkdir()
    second = Place(tmp_path / "second", "embedded").open()
    try:
        transport = joined(first, second, monkeypatch, stay_current="search", page_size=2)
        keep_view(second)
        with serving(second, views={"whole": WHOLE}) as served:
            served.key = add_client(second, view="whole")[1]
            asyncio.run(until_equal(transport, second, served, moved(there(newest(first)), second)))
            first.parts.take(message(appointment("a-p1", "p1", status="completed", room=None)))
            first.parts.take(message(patient("p1", "Nguyen", contacts=None)))
            asyncio.run(until_equal(transport, second, served, moved(there(newest(first)), second)))
            assert second.ledger().problems == []
    finally:
        second.close()
