"""The figures of trust are measured on what the gateway really does, and the null parts beside it really do nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks import house, null_trust, trust_part, trust_pipeline
from benchmarks.report import Section
from gateway.errors import AccessRefused
from gateway.flow import patient_index as index
from gateway.store import audit as audit_store
from gateway.vault import Place

PLACE = Place(house.TENANT, "messages", "box", (7).to_bytes(8, "big"))


def opened_value(folder: Path) -> bytes:
    """What a fresh gateway without trust keeps in the place of a sealed value."""
    with house.opened(folder) as gateway:
        null_trust.without_trust(gateway)
        vault, audit = gateway.vault, gateway.audit
        sealed = vault.seal(vault.intake_key(house.TENANT), PLACE, b"plain")
        entry = audit.entry(house.TENANT, action="access", actor="bench", purpose="measure", messages=[7])
        before = gateway.store.read_sync(partial(audit_store.row_count, tenant=house.TENANT))
        gateway.store.write_sync(lambda connection: audit.append(connection, entry))
        assert gateway.store.read_sync(partial(audit_store.row_count, tenant=house.TENANT)) == before
        with audit.grant(entry) as grant:
            assert vault.open(grant, PLACE, sealed) == b"plain"
        return sealed.box


def test_the_null_vault_seals_nothing_and_the_null_log_keeps_nothing(tmp_path: Path) -> None:
    """What is compared with has neither encryption nor audit rows, else the comparison would flatter."""
    assert opened_value(tmp_path) == b"plain"


def test_the_measured_pipeline_is_sealed_and_audited(tmp_path: Path) -> None:
    """A gateway that was not changed refuses what the null one allows."""
    with house.opened(tmp_path) as gateway:
        sealed = gateway.vault.seal(gateway.vault.intake_key(house.TENANT), PLACE, b"plain")
        assert b"plain" not in sealed.box
        entry = gateway.audit.entry(house.TENANT, action="access", actor="bench", purpose="measure", messages=[7])
        with pytest.raises(AccessRefused):
            gateway.audit.grant(entry)


@pytest.mark.parametrize(
    "measure", [trust_part.measure_audit, trust_part.measure_patients, trust_part.measure_disclosures]
)
def test_every_figure_is_measured_and_told_with_its_amount(measure: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part seeds through the real code, checks what it finds, and says what was asked of how many rows."""
    monkeypatch.setattr(trust_part, "TIMES", 5)
    monkeypatch.setattr(trust_part, "RUNS", 1)
    assert callable(measure)
    section = measure(0.001)
    assert isinstance(section, Section)
    assert section.asked
    assert all(any(char.isdigit() for char in one.measured) for one in section.asked)
    assert any("1,000" in one.work for one in section.asked)


def test_the_pipeline_is_compared_turn_by_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """All three gateways take the same messages, deliver them, and the page says what each does."""
    monkeypatch.setattr(trust_pipeline, "ROUNDS", 1)
    section = trust_pipeline.measure(0.001)
    assert [row["who"] for row in section.rows] == [
        trust_pipeline.OURS, trust_pipeline.NOT_AUDITED, trust_pipeline.NULL,
    ]  # fmt: skip
    assert all(float(row["messages/s"]) > 0 for row in section.rows)


def test_a_question_after_a_patient_shows_no_value() -> None:
    """What somebody was looked for by stands in no trace of an error."""
    assert "Doe" not in repr(index.Asked("clinic", "someone", index.NAME, "Doe/Jane/1980-02-29"))
