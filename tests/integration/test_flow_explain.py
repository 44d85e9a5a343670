"""Explain: a value of a record leads back to its message, the place in it, and the rule and versions that made it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import InvalidConfiguration
from gateway.flow.explain import Explainer
from gateway.flow.quarantine import held
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.mapping import Mapping
from gateway.registry import Registry
from tests.integration.parts import TENANT, Parts

SOURCE = "northside-hl7"


def scheduled(control: str, event: str, start: str, status: str, family: str, at: str) -> bytes:
    """A scheduling message of one appointment."""
    return (
        f"MSH|^~\\&|APP|NORTH|GW|GW|{at}||SIU^{event}|{control}|P|2.5\r"
        f"SCH|A77^APP|||||CHECKUP||EVAL|45|min|^^45^{start}||||||||||||||{status}\r"
        f"PID|1||MRN5^^^NORTH^MR||{family}^ANNE||19800102|F\r"
    ).encode()


@pytest.fixture
def source(parts: Parts) -> Source:
    """A source that speaks HL7, with the mapping that is shipped."""
    adapter = Registry.load(["hl7"]).adapters["hl7"]
    mapping = Mapping.load(adapter.mappings, None, adapter.path).bind(zone="America/Chicago")
    bound = Source.bind(TENANT, SOURCE, adapter, adapter.config.model_validate({}), mapping)
    parts.sources[TENANT, SOURCE] = bound
    kept = [(bound.mapping_hash, "mapping", mapping.text)]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], kept))
    return bound


def take(parts: Parts, source: Source, *bodies: bytes) -> list[int]:
    """Store and normalize messages of the source, cut as its files are."""
    items = [item for body in bodies for item in source.adapter.cut([body], source.config)]
    receipts = asyncio.run(parts.receiver(SOURCE).accept(items))  # type: ignore[arg-type]  # nothing here is a finding
    parts.settle()
    return [receipt.message_id for receipt in receipts]


def test_a_value_is_traced_to_its_place(parts: Parts, source: Source) -> None:
    """The message that set the value last is named, with segment and field, raw value, rule, mapping and adapter."""
    first, second = take(
        parts, source,
        scheduled("M1", "S12", "20260302093000", "Booked", "DOE", "20260301080000"),
        scheduled("M2", "S15", "20260302093000", "Cancelled", "ROE", "20260301090000"),
    )  # fmt: skip
    explainer = Explainer(TENANT, parts.store, parts.vault, parts.audit, parts.sources, "user:ann")
    name = explainer.explain(parts.vault.record_id(TENANT, SOURCE, "Patient", "MRN5"), "name.family")
    assert (name.value, name.message_id, name.control_id) == ("ROE", second, "M2")
    assert any(step["path"].startswith("PID-5") and step["raw"] == "ROE" for step in name.steps)
    assert (name.mapping, name.adapter, name.same_code) == (source.mapping.version, source.label, True)
    start = explainer.explain(parts.vault.record_id(TENANT, SOURCE, "Appointment", "A77"), "start")
    assert (start.message_id, start.control_id) == (first, "M1")
    status = explainer.explain(parts.vault.record_id(TENANT, SOURCE, "Appointment", "A77"), "status")
    assert (status.value, status.message_id, status.version) == ("cancelled", second, 2)
    (step,) = [step for step in start.steps if step["field"] == "start"]
    assert step["raw"] == "20260302093000"
    assert "appointment.toml" in step["rule"]


def test_a_missing_field_is_told_by_its_place(parts: Parts, source: Source) -> None:
    """What a record must have is told by segment and field, with the rule that reads it."""
    body = scheduled("M1", "S12", "", "Booked", "DOE", "20260301080000")
    (message_id,) = take(parts, source, body)
    assert parts.outcomes(message_id) == [("quarantined", "invalid-record")]
    (one,) = parts.store.read_sync(lambda connection: held(connection, TENANT))
    assert one.place.startswith("SCH-11.4")
    assert "hl7/appointment.toml: fields.start" in one.fix
    assert "DOE" not in one.place + one.fix


def test_what_was_never_there_is_told(parts: Parts, source: Source) -> None:
    """An unknown record, and a field that never was, are told without a value."""
    take(parts, source, scheduled("M1", "S12", "20260302093000", "Booked", "DOE", "20260301080000"))
    explainer = Explainer(TENANT, parts.store, parts.vault, parts.audit, parts.sources, "user:ann")
    with pytest.raises(InvalidConfiguration, match="no such record"):
        explainer.explain("00000000-0000-8000-8000-000000000000", "start")
    with pytest.raises(InvalidConfiguration, match="never had this field"):
        explainer.explain(parts.vault.record_id(TENANT, SOURCE, "Patient", "MRN5"), "shoe_size")
    with pytest.raises(InvalidConfiguration, match="Did you mean 'name'"):
        explainer.explain(parts.vault.record_id(TENANT, SOURCE, "Patient", "MRN5"), "nane")


def test_an_older_mapping_still_explains(parts: Parts, source: Source) -> None:
    """After the mapping changed, a value is explained by the text that made it."""
    take(parts, source, scheduled("M1", "S12", "20260302093000", "Booked", "DOE", "20260301080000"))
    import dataclasses

    parts.sources[TENANT, SOURCE] = dataclasses.replace(source, mapping_hash=b"\7" * 32, label="hl7/99")
    explainer = Explainer(TENANT, parts.store, parts.vault, parts.audit, parts.sources, "user:ann")
    name = explainer.explain(parts.vault.record_id(TENANT, SOURCE, "Patient", "MRN5"), "name.family")
    assert (name.mapping, name.same_code) == (source.mapping.version, False)
    assert any(step["path"].startswith("PID-5") for step in name.steps)
