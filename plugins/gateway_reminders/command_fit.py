"""Fitting: history in the order in which it happened, judged on what came after what was learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.errors import InvalidConfiguration
from gateway_reminders.translate_risk import FEATURES, Past, features

GOOD_ENOUGH = 0.05
"""Calibration error that a model must stay below."""
LEAST = 200
"""Visits below which nothing is fitted."""
_BINS = 10
_LEARNED = 0.7
"""Share of the history that is learned from; the rest judges."""
_OUTCOMES = {"completed": False, "arrived": False, "no-show": True}


class Visit(NamedTuple):
    """One visit that was kept or missed."""

    start: datetime
    booked: datetime | None
    zone: ZoneInfo
    patient: str
    missed: bool


class Fitted(NamedTuple):
    """A model and how good it is on what it had not seen."""

    visits: int
    held_out: int
    brier: float
    base_brier: float
    calibration: float
    weights: dict[str, float]


def history(lines: Iterable[Mapping[str, Any]], zone: str) -> list[Visit]:
    """Visits of the feed's lines, the newest version of each, in the order in which they took place."""
    newest: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for line in lines:
        record = line.get("record") or line.get("fields")
        if line.get("type") == "Appointment" and isinstance(record, Mapping):
            id, version = str(line.get("id")), int(line.get("version") or 0)
            if id not in newest or newest[id][0] <= version:
                newest[id] = version, record
    found = []
    for _, record in newest.values():
        missed = _OUTCOMES.get(str(record.get("status")))
        if missed is not None and record.get("start") and record.get("patient"):
            booked = record.get("created_at")
            found.append(
                Visit(
                    datetime.fromisoformat(str(record["start"])),
                    datetime.fromisoformat(str(booked)) if booked else None,
                    ZoneInfo(str(record.get("zone") or zone)), str(record["patient"]), missed,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.start, one.patient))


def fitted(visits: Sequence[Visit]) -> Fitted:
    """Fit on the earlier part, judge on the later.

    Raises:
        InvalidConfiguration: the history is too short, or has only one outcome.
    """
    known = visits[: int(len(visits) * _LEARNED)]
    missed = sum(one.missed for one in known)
    if len(visits) < LEAST or not 0 < missed < len(known):
        raise InvalidConfiguration(
            "The history is too short to learn from", where="history", fix=f"Take {LEAST} visits or more."
        )
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise InvalidConfiguration(
            "Fitting needs scikit-learn", where="fit", fix="Install emr-gateway[risk]."
        ) from None
    base = missed / len(known)
    rows, outcomes = table(visits, base), [one.missed for one in visits]
    model = LogisticRegression(C=1.0, max_iter=1000).fit(rows[: len(known)], outcomes[: len(known)])
    chances = [float(pair[1]) for pair in model.predict_proba(rows[len(known) :])]
    truth = outcomes[len(known) :]
    weights = {"intercept": float(model.intercept_[0])}
    weights |= {name: float(value) for name, value in zip(FEATURES, model.coef_[0], strict=True)}
    return Fitted(
        visits=len(known), held_out=len(truth), brier=brier(chances, truth),
        base_brier=brier([base] * len(truth), truth), calibration=calibration(chances, truth),
        weights={name: round(value, 6) for name, value in {**weights, "base_rate": base}.items()},
    )  # fmt: skip


def table(visits: Sequence[Visit], base: float) -> list[list[float]]:
    """Features of each visit by what was known of its patient before it."""
    earlier: dict[str, list[Past]] = defaultdict(list)
    rows = []
    for one in visits:
        values = features(one.start, one.booked, earlier[one.patient], one.zone, base)
        rows.append([values[name] for name in FEATURES])
        earlier[one.patient].append(Past(one.start, one.missed))
    return rows


def brier(chances: Sequence[float], truth: Sequence[bool]) -> float:
    """Mean square of how far the probabilities lie from what happened."""
    return sum((chance - happened) ** 2 for chance, happened in zip(chances, truth, strict=True)) / len(truth)


def calibration(chances: Sequence[float], truth: Sequence[bool]) -> float:
    """Expected calibration error over ten groups of equal size."""
    pairs = sorted(zip(chances, truth, strict=True), key=lambda pair: pair[0])  # ties stay as they happened
    error = 0.0
    for number in range(_BINS):
        group = pairs[number * len(pairs) // _BINS : (number + 1) * len(pairs) // _BINS]
        if group:
            said, happened = sum(chance for chance, _ in group), sum(missed for _, missed in group)
            error += abs(said - happened) / len(pairs)
    return error
