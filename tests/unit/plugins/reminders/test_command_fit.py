"""A model of missed visits: better than the plain rate, calibrated, and reproducible by hand."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from gateway.errors import InvalidConfiguration
from gateway_reminders.command import app
from gateway_reminders.command_fit import GOOD_ENOUGH, brier, calibration, fitted, history
from gateway_reminders.config import Risk
from gateway_reminders.translate_risk import Past, features, probability

CHICAGO = ZoneInfo("America/Chicago")


def clinic(seed: int, visits: int = 6000, *, plain: bool = False) -> list[dict[str, Any]]:
    """Lines of a made-up clinic, where long waits, late hours and earlier misses make a miss likelier."""
    random = Random(seed)
    habits = [random.gauss(0, 1.2) for _ in range(400)]
    found = []
    for number in range(visits):
        patient = random.randrange(400)
        start = datetime(2024, 1, 1, 8, tzinfo=CHICAGO) + timedelta(hours=number % 10, days=number // 30)
        lead = random.expovariate(1 / 12)
        odds = -2.6 + habits[patient] + 0.35 * math.log1p(lead) + 0.5 * (start.hour >= 16)
        missed = random.random() < (0.12 if plain else 1 / (1 + math.exp(-odds)))
        record = {
            "start": start.isoformat(), "created_at": (start - timedelta(days=lead)).isoformat(),
            "status": "no-show" if missed else "completed", "patient": f"p{patient}", "zone": "America/Chicago",
        }  # fmt: skip
        found.append({"type": "Appointment", "id": f"a{number}", "version": 1, "record": record})
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_model_beats_the_plain_rate_and_means_what_it_says(seed: int) -> None:
    """On visits after those it learned from, Brier is below the base rate's and calibration error below 0.05."""
    found = fitted(history(clinic(seed), "UTC"))
    assert found.brier < found.base_brier * 0.99
    assert found.calibration < GOOD_ENOUGH
    assert found.weights["lead_time"] > 0
    assert found.weights["missed_share"] > 1


def test_the_reactor_computes_what_was_fitted() -> None:
    """Weights out of the printed settings give the probabilities of the fitted model to the last printed digit."""
    from sklearn.linear_model import LogisticRegression

    from gateway_reminders.command_fit import table

    visits = history(clinic(1, 1000), "UTC")
    found = fitted(visits)
    risk = Risk.model_validate(found.weights)
    base = found.weights["base_rate"]
    rows = table(visits, base)
    known = found.visits
    model = LogisticRegression(C=1.0, max_iter=1000).fit(rows[:known], [one.missed for one in visits[:known]])
    last = visits[-1]
    earlier = [Past(one.start, one.missed) for one in visits[:-1] if one.patient == last.patient]
    ours = probability(risk, features(last.start, last.booked, earlier, last.zone, base))
    assert ours == pytest.approx(model.predict_proba(rows[-1:])[0][1], abs=1e-4)


def test_scores_are_what_they_are_called() -> None:
    """Known values of both scores."""
    assert brier([0.5, 1.0, 0.0], [True, True, True]) == pytest.approx((0.25 + 0 + 1) / 3)
    assert calibration([0.2] * 100, [number % 5 == 0 for number in range(100)]) == pytest.approx(0)
    assert calibration([0.7] * 100, [number % 2 == 0 for number in range(100)]) == pytest.approx(0.2)
    assert calibration([0.0] * 50 + [1.0] * 50, [False] * 50 + [True] * 50) == 0


def test_only_kept_and_missed_visits_are_learned_from_and_the_newest_version_counts() -> None:
    """Booked and cancelled visits say nothing; a corrected visit counts as corrected."""
    (line,) = clinic(1, 1)
    record = line["record"]
    lines = [
        {**line, "record": {**record, "status": "completed"}},
        {**line, "version": 2, "record": {**record, "status": "no-show"}},
        {**line, "id": "b", "record": {**record, "status": "cancelled"}},
        {**line, "id": "c", "record": {**record, "patient": None}},
        {**line, "id": "d", "type": "Visit"},
    ]
    (one,) = history(lines, "UTC")
    assert one.missed
    with pytest.raises(InvalidConfiguration, match="too short"):
        fitted([one])


def test_the_command_prints_settings_or_says_that_they_would_be_of_no_use(tmp_path: Path) -> None:
    """A good model is printed as a table of gateway.toml; of a clinic without any pattern none is."""
    import tomllib

    file = tmp_path / "history.ndjson"
    file.write_text("\n".join(json.dumps(line) for line in clinic(2, 3000)))
    answer = CliRunner().invoke(app, ["fit", "--file", str(file)])
    assert answer.exit_code == 0, answer.output
    assert Risk.model_validate(tomllib.loads(answer.stdout)["reactors"]["config"]["risk"]).base_rate < 0.5
    file.write_text("\n".join(json.dumps(line) for line in clinic(7, 400, plain=True)))
    answer = CliRunner().invoke(app, ["fit", "--file", str(file), "--json"])
    told = json.loads(answer.stdout)
    assert (answer.exit_code, told["good"]) == (1, False)
    assert isinstance(CliRunner().invoke(app, ["fit"]).exception, InvalidConfiguration)
    early = features(datetime(2026, 1, 5, 8, tzinfo=CHICAGO).astimezone(UTC), None, [], CHICAGO, 0.1)
    assert (early["early"], early["monday"], early["new_patient"]) == (1.0, 1.0, 1.0)
