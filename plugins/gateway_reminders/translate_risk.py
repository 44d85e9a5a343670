"""How likely a visit is missed, and why: a logistic model with plain features. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

FEATURES = ("lead_time", "early", "late", "monday", "friday", "missed_share", "new_patient")
WEIGHT = 3.0
"""Earlier visits that the base rate counts for in the share of missed ones."""


class Past(NamedTuple):
    """One earlier visit of a patient that was kept or missed."""

    start: datetime
    missed: bool


class Model(Protocol):
    """Coefficients by name of the feature; ``RemindersConfig.risk`` has this shape."""

    @property
    def intercept(self) -> float: ...
    @property
    def base_rate(self) -> float: ...


def features(
    start: datetime, booked: datetime | None, earlier: Sequence[Past], zone: ZoneInfo, base: float
) -> dict[str, float]:
    """Of one visit; ``earlier`` are the patient's visits before it."""
    local = start.astimezone(zone)
    lead = max((start - booked).total_seconds() / 86_400, 0.0) if booked else 0.0
    missed = sum(one.missed for one in earlier)
    return {
        "lead_time": math.log1p(lead), "early": float(local.hour < 9), "late": float(local.hour >= 16),
        "monday": float(local.weekday() == 0), "friday": float(local.weekday() == 4),
        "missed_share": (missed + WEIGHT * base) / (len(earlier) + WEIGHT), "new_patient": float(not earlier),
    }  # fmt: skip


def probability(model: Model, values: dict[str, float]) -> float:
    """Of the visit being missed."""
    odds = model.intercept + sum(float(getattr(model, name)) * values[name] for name in FEATURES)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def words(chance: float, base: float, start: datetime, booked: datetime | None, earlier: Sequence[Past]) -> str:
    """Why a message was added, for whoever looks at the record."""
    told = [f"Missed with a probability of {chance:.0%}, {base:.0%} are usual"]
    if booked is not None:
        told.append(f"booked {max((start - booked).days, 0)} days ahead")
    missed = sum(one.missed for one in earlier)
    told.append(f"missed {missed} of {len(earlier)} earlier visits" if earlier else "first visit")
    return "; ".join(told) + "."
