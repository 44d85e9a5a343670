"""The corpus of the benchmarks: as long as real messages, the same every time, and right."""

from __future__ import annotations

from itertools import chain

from benchmarks import corpus
from benchmarks.report import Asked, Results, Section, as_markdown
from gateway.bootstrap import bind_source
from gateway.flow.preview import Preview
from gateway.registry import Registry
from gateway.settings import Source


def preview(adapter: str) -> Preview:
    """Everything a file becomes, without a store."""
    found = Registry.load((adapter,)).adapters[adapter]
    source = Source(name="bench", tenant="clinic", adapter=adapter, zone="America/Chicago")
    return Preview(bind_source(source, found, found.config()))


def test_an_835_of_any_size_balances() -> None:
    """Whole rounds of the drawn claims and a part of one make one remittance that balances, with every claim."""
    lines = list(preview("x12").lines(corpus.remittance(1203)))
    total = [line for line in lines if "balanced" in line]
    assert [(line["claims"], line["balanced"], line["difference"]) for line in total] == [(1203, True, "0.00")]
    assert not [line for line in lines if "quarantined" in line]
    assert len({line["control_id"] for line in lines}) == len(lines) == 1204


def test_every_message_makes_an_appointment_and_a_patient() -> None:
    """None is quarantined or suppressed, and each is about as long as those of a real practice system."""
    messages = corpus.schedule(40)
    lines = list(preview("hl7").lines([b"".join(messages)]))
    kinds = [sorted({record["type"] for record in line["records"]}) for line in lines]
    assert len(lines) == 40
    assert all("Appointment" in one for one in kinds)
    assert set(chain.from_iterable(kinds)) == {"Appointment", "Patient"}
    assert 1700 < sum(map(len, messages)) / 40 < 2500


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two runs measure the same work."""
    assert corpus.schedule(20) == corpus.schedule(20)
    assert b"".join(corpus.remittance(30)) == b"".join(corpus.remittance(30))


def test_a_figure_that_was_not_reached_is_said_so() -> None:
    """The page shows what was asked beside what was measured, also where that is less."""
    asked = [Asked("work", "5/s", "4/s", False), Asked("other work", "1/s", "2/s", True)]
    page = as_markdown(Results({"cores": 2}, [Section("part", "Part", [{"who": "us", "per s": 4.25}], asked)]))
    assert "| work | 5/s | 4/s | no |" in page
    assert "| other work | 1/s | 2/s | yes |" in page
    assert "| us | 4.25 |" in page
