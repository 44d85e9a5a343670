"""Policy: what a route does not send, or not now, and why: judged of one opened change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from gateway.flow.clock import moment
from gateway.model.opening_hours import Hours, parse_hours
from gateway.settings import Route as RouteSettings
from gateway.store.rows import Found

SUPERSEDED, STATE, UNSETTLED, STALE = "superseded", "other-state", "unsettled", "stale-source"
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Policy:
    """What ``[[routes]]`` says besides filter and view. Nothing of it is set by default."""

    where: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """By type and field, the values that are wanted."""
    expires: Mapping[str, str] = field(default_factory=dict)
    """By type, the field whose time ends a change's use."""
    expires_after: float | None = None
    """Seconds from the change on."""
    stale_after: float | None = None
    """Seconds since the source was heard of last, after which nothing of it is sent."""
    latest_only: bool = False
    hours: tuple[Hours, ...] = ()
    zone: ZoneInfo = _UTC
    per_second: float | None = None
    at_once: int | None = None
    retries_per_hour: int | None = None
    break_after: int | None = None
    """After failures of how many patients in a row the receiver is left alone for a while."""
    writes_to: str = ""
    """The source to whose system it writes: the only one whose own ids leave."""


class Stop(NamedTuple):
    """Why a change does not go out: for good, or for now."""

    outcome: Literal["suppressed", "expired", "hold"]
    reason: str
    seconds: float = 0.0
    """Of a hold: when to look again."""


def judge(policy: Policy, change: Found, fields: Callable[[], Mapping[str, Any]], now: int) -> Stop | None:
    """What the change itself tells; ``fields`` are read only where a rule asks for one. None lets it go."""
    if policy.expires_after is not None and now - change.at > policy.expires_after * 1_000_000:
        return Stop("expired", "age")
    wanted, ends = policy.where.get(change.type), policy.expires.get(change.type)
    if wanted is None and ends is None:
        return None
    held = fields()
    if wanted is not None and any(str(held.get(name)) not in values for name, values in wanted.items()):
        return Stop("suppressed", STATE)
    end = None if ends is None else held.get(ends)
    if isinstance(end, str) and _over(end, moment(now), policy.zone):
        return Stop("expired", "past")
    return None


def _over(end: str, now: datetime, zone: ZoneInfo) -> bool:
    """Whether a time, or the whole of a day in the route's zone, has passed."""
    at = datetime.fromisoformat(end)
    if at.tzinfo is None:
        return at.date() < now.astimezone(zone).date()
    return at < now


def bound_policy(settings: RouteSettings) -> Policy:
    """The policy that a route's settings describe."""
    where: dict[str, dict[str, frozenset[str]]] = {}
    for path, values in settings.where.items():
        type_name, _, name = path.partition(".")
        where.setdefault(type_name, {})[name] = frozenset(values)
    return Policy(
        where=where,
        expires=dict(_split(path) for path in settings.expires),
        expires_after=settings.expires_after,
        stale_after=settings.stale_after,
        latest_only=settings.latest_only,
        hours=tuple(map(parse_hours, settings.hours)),
        zone=ZoneInfo(settings.zone),
        per_second=settings.per_second,
        at_once=settings.at_once,
        retries_per_hour=settings.retries_per_hour,
        break_after=settings.break_after,
        writes_to=settings.writes_to or "",
    )


def _split(path: str) -> tuple[str, str]:
    type_name, _, name = path.partition(".")
    return type_name, name
