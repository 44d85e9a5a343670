"""Twenty clinics on five kinds of system behind one gateway: history after a crash, limits, freshness, idle cost."""

from __future__ import annotations

import pytest

from benchmarks.group import CLINICS, Pace
from benchmarks.group_part import ASKED_CORE, Figures, run

PAGE = 10
POLL = {"poll_seconds": 3.0}
PACE = Pace(
    appointments=50,
    settings={
        "cliniko": {"poll_seconds": 4.0, "per_page": PAGE}, "jane": {**POLL, "per_page": PAGE},
        "fhir": {**POLL, "page_size": PAGE},
        "webpt": {"poll_seconds": 2.0, "settle_seconds": 0.3},
    },
    patience=240.0, quiet=1.5, steady=1.5, every=0.5,
)  # fmt: skip
"""Half a hundredth of what `make group` runs, in pages so small that there is something to break off."""


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """What one run in small has shown."""
    return run(tmp_path_factory.mktemp("group"), PACE)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_back_fill_goes_on_where_it_was(figures: Figures) -> None:
    """After kill -9 everything arrives, the ledger adds up, and no list is read again by more than a page."""
    assert figures.killed_at < figures.appointments
    assert figures.delivered >= figures.appointments >= PACE.appointments * sum(CLINICS.values())
    assert not figures.unaccounted
    assert 0 < figures.read_again <= PAGE


def test_no_vendor_has_to_refuse_a_request(figures: Figures) -> None:
    """Every limit is kept as the simulators count it, the seconds around the crash among them."""
    assert (figures.violations, figures.refused) == (0, 0)
    assert figures.requests > 500


def test_every_change_arrives_while_it_is_fresh(figures: Figures) -> None:
    """What happens at a clinic is at the receiver after a look or two, and no stream is behind its goal."""
    assert figures.seen == figures.changes > 0
    assert figures.behind == 0
    assert figures.fresh_worst < PACE.patience


def test_a_nightly_extract_is_in_soon_after_it_falls(figures: Figures) -> None:
    """What WebPT leaves at night is at the receiver by its own schedule: the next look, and a file at rest."""
    assert figures.nights_seen == figures.nights > 0
    assert figures.night_worst < PACE.patience


def test_an_idle_gateway_leaves_the_machine_alone(figures: Figures) -> None:
    """Twenty sources that are asked every few seconds take less than half of one core by process time."""
    assert figures.idle_core < ASKED_CORE
