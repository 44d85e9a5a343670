"""Texts for patients: reviewed when they are loaded, one segment long, with nothing in them that is not theirs."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from gateway_reminders.config import RemindersConfig
from gateway_reminders.translate_text import LIMITS, faults, fields, language_of, render, shipped
from tests.unit.plugins.reminders.told import CLINIC

START = datetime(2026, 9, 30, 10, 30)


def test_every_shipped_template_passes_the_review() -> None:
    """Nothing that comes with the gateway breaks its own rules, and each kind has every form in both languages."""
    assert {name: list(faults(name, text)) for name, text in shipped().items() if list(faults(name, text))} == {}
    assert len(shipped()) == 4 * 4 * 2


@pytest.mark.parametrize("name", [name for name in shipped() if ".sms." in name])
def test_a_text_message_is_one_segment_whatever_is_filled_in(name: str) -> None:
    """The longest names and odd letters leave at most 160 characters of the GSM alphabet."""
    kind, form, language = name.split(".")
    values = fields(
        "Maximiliana-Ñandú 😀",
        "Clínica de Terapia Física del Noroeste S.A.",
        "+1 (512) 555-0100 x1234",
        START,
        language,
        100,
    )
    text = render({}, kind, form, language, values)
    assert len(text) <= LIMITS["sms"]
    assert "Ñandu" not in text or "Maximiliana-Ña" in text
    assert not set("íúó😀") & set(text)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("visit.sms.en", "{name}: " + "x" * 150, "characters"),
        ("visit.sms.en", "Your co-pay of {balance}", "names a field"),
        ("visit.sms.en", "Your Copay is due, {name}", "billing"),
        ("visit.sms.es", "Su diagnostico, {name}", "billing"),
        ("visit.sms.es", "Mañana está su cita", "alphabet"),
        ("visit.email.en", "{name.__class__}", "names a field"),
        ("visit.email.en", "{name!r}", "names a field"),
        ("visit.email.en", "{name", "brace"),
        ("visit.fax.en", "By fax", "is no template"),
    ],
)
def test_what_must_not_be_said_is_refused_at_load(name: str, text: str, fault: str) -> None:
    """Length, words, letters and fields are judged when settings are read; the error repeats no text."""
    with pytest.raises(ValidationError, match=fault) as caught:
        RemindersConfig.model_validate(CLINIC | {"templates": {name: text}})
    assert text not in str(caught.value.errors()[0]["msg"])


def test_a_text_reads_well_without_a_name() -> None:
    """A patient whose first name is not known is greeted without a gap."""
    text = render({}, "visit", "sms", "en", fields("", "Northside PT", "512-555-0100", START, "en"))
    assert text.startswith("Northside PT: you have a visit Wed Sep 30 10:30 AM.")
    assert render({}, "visit", "email", "en", fields("", "N", "1", START, "en")).startswith("Hello,")


def test_times_are_written_as_patients_read_them() -> None:
    """Noon and midnight, and the order of day and month in each language."""
    assert fields("", "", "", datetime(2026, 1, 5, 0, 5), "en")["time"] == "12:05 AM"
    assert fields("", "", "", datetime(2026, 1, 5, 12), "es") | {} == {
        "name": "", "day": "lun 5 ene", "time": "12:00 PM", "clinic": "", "phone": "", "count": "0",
    }  # fmt: skip
    assert [language_of(tag) for tag in ("es-MX", "ES", "en-US", None, "vi")] == ["es", "es", "en", "en", "en"]
