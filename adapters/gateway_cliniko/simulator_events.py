"""What happens at the simulated clinic when a certification, or anyone else, asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.testing.simulated_api import CLOCK, LISTS
from gateway_cliniko.simulator_filters import Row
from gateway_cliniko.simulator_rows import utc

_TABLE = "individual_appointments"


def _move(api: Any) -> None:
    """The row changed longest ago is changed, so that it leaves the first page for the last."""
    rows: list[Row] = [row for row in api.tables[_TABLE].values() if row["deleted_at"] is None]
    row = min(rows, key=lambda one: str(one["updated_at"]))
    times = {name: utc(datetime.fromisoformat(str(row[name])) + timedelta(days=7)) for name in ("starts_at", "ends_at")}
    api.touch(_TABLE, row["id"], **times)


def _delete(api: Any) -> None:
    rows: list[Row] = [row for row in api.tables[_TABLE].values() if row["deleted_at"] is None]
    api.touch(_TABLE, rows[0]["id"], deleted_at=utc(datetime.now(UTC)))


def _drift(api: Any) -> None:
    """Every appointment moves, and what says that a patient did not come has another name from now on."""
    for row in api.tables[_TABLE].values():
        if "did_not_arrive" in row:
            times = {name: utc(datetime.fromisoformat(str(row[name])) + timedelta(days=1)) for name in _TIMES}
            api.touch(_TABLE, row["id"], missed=row.pop("did_not_arrive"), **times)


def _vanish(api: Any) -> None:
    for table in (_TABLE, "patients"):
        api.forget(table, next(iter(api.tables[table])))


_TIMES = ("starts_at", "ends_at")
EVENTS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "update": ("an appointment is changed", _move),
    "remove": ("an appointment is deleted", _delete),
    "drift": ("appointments name a field otherwise from now on", _drift),
    "vanish": ("an appointment and a patient end without a trace", _vanish),
    **CLOCK,
    **LISTS,
}
