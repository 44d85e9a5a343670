"""Which messages are wanted at all: the steps before each visit, and nudges. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.model.appointment import Appointment
from gateway.model.identity import RecordId
from gateway_reminders.config import Clinic, RemindersConfig, Risk, Step
from gateway_reminders.translate_facts import Facts
from gateway_reminders.translate_hours import Hours, before, zones_of
from gateway_reminders.translate_risk import Past, features, probability, words
from gateway_reminders.translate_twins import OPEN, Twin, occasion, twins

KEPT = timedelta(days=2)
"""How long after a visit its reminders are shown."""
AHEAD = timedelta(days=14)
"""How long before it goes out a reminder is planned."""
NUDGE_FOR = timedelta(days=7)
"""How long after its day a nudge still makes sense."""
_KEPT_VISIT = frozenset({"arrived", "completed"})
_EVENING = timedelta(hours=1)


class Wish(Struct, kw_only=True):
    """One message that is wanted, whatever speaks against it."""

    kind: str
    step: str
    about: RecordId
    """The appointment or authorization it is about."""
    due: datetime
    until: datetime
    hours: Hours
    clinic: Clinic
    start: datetime | None = None
    location: RecordId | None = None
    zone: str
    channel: str | None = None
    because: str | None = None
    count: int = 0
    stop: str | None = None
    """Why it must not go out any more."""
    twins: tuple[Twin, ...] = ()
    """Other sights of the same visit."""

    @property
    def occasion(self) -> str:
        """What makes it one effect, without the channel."""
        return occasion(self.about, self.start, self.step) if self.start else f"{self.about}/{self.kind}/{self.step}"


def wishes(facts: Facts, config: RemindersConfig, now: datetime) -> Iterator[Wish]:
    """Everything that is wanted for one patient."""
    for id, one in facts.appointments.items():
        if one.start > now - KEPT:
            yield from _visit(id, one, facts, config)
    yield from _nudges(facts, config, now)


def _setting(one: Appointment | None, facts: Facts, config: RemindersConfig) -> tuple[Clinic, str, Hours]:
    location = (one.location if one else None) or facts.patient.location
    clinic = config.at(location)
    zone = (one.zone if one else None) or clinic.zone or config.clinic.zone or "UTC"
    return clinic, zone, Hours(zones_of(facts.patient, zone), config.opens, config.closes)


def _visit(id: RecordId, one: Appointment, facts: Facts, config: RemindersConfig) -> Iterator[Wish]:
    clinic, zone, hours = _setting(one, facts, config)
    clock = ZoneInfo(zone)
    earlier = _past(facts, one.start)
    missed = sum(past.missed for past in earlier)
    steps: list[tuple[Step, str | None]] = [
        (step, None)
        for step in (clinic.cadence or config.cadence)
        if missed >= step.missed and (not step.types or (one.type or "") in step.types)
    ]
    if config.risk is not None:
        steps += _risky(one, earlier, clock, config.risk)
    notice = timedelta(minutes=config.notice_minutes)
    placed: list[tuple[datetime, bool, Step, str | None]] = []
    for step, because in steps:
        due = before(one.start, step.hours, clock)
        moved = move(due, one.start - notice, hours)
        if moved is not None and (one.created_at is None or due >= one.created_at):
            placed.append((moved, moved != due, step, because))
    placed.sort(key=lambda entry: (entry[0], entry[2].name))
    gap = timedelta(minutes=config.gap_minutes)
    stop = _stop(one, facts, clock)
    seen = tuple(twins(one, facts, timedelta(minutes=config.same_visit_minutes)))
    for number, (due, moved_there, step, because) in enumerate(placed):
        others = [other for place, (other, *_) in enumerate(placed) if place != number]
        if moved_there and any(abs(other - due) < gap for other in others):
            continue
        later = min((other for other in others if other > due), default=one.start - notice)
        yield Wish(
            kind="visit", step=step.name, about=id, due=due, until=min(later, one.start - notice), hours=hours,
            clinic=clinic, start=one.start, location=one.location, zone=zone, channel=step.channel, because=because,
            stop=stop, twins=seen,
        )  # fmt: skip


def move(due: datetime, latest: datetime, hours: Hours) -> datetime | None:
    """Out of quiet hours: to the next morning, or to the evening before where that would be too late."""
    if hours.is_open(due):
        return due if due < latest else None
    morning = hours.next_opening(due)
    if morning < latest:
        return morning
    evening = hours.last_closing(due) - _EVENING
    return evening if hours.is_open(evening) and evening < latest else None


def _risky(one: Appointment, earlier: list[Past], clock: ZoneInfo, risk: Risk) -> Iterator[tuple[Step, str]]:
    chance = probability(risk, features(one.start, one.created_at, earlier, clock, risk.base_rate))
    if chance >= risk.add_at:
        why = words(chance, risk.base_rate, one.start, one.created_at, earlier)
        yield Step(name="risk", hours=risk.add_hours), why


def _past(facts: Facts, start: datetime) -> list[Past]:
    return [
        Past(one.start, one.status == "no-show")
        for one in facts.appointments.values()
        if one.start < start and one.status in _KEPT_VISIT | {"no-show"}
    ]


def _stop(one: Appointment, facts: Facts, clock: ZoneInfo) -> str | None:
    if one.status == "cancelled":
        return "visit-cancelled"
    if one.status not in OPEN:
        return "visit-over"
    return "visit-unauthorized" if facts.unauthorized(one, one.start.astimezone(clock).date()) else None


def _nudges(facts: Facts, config: RemindersConfig, now: datetime) -> Iterator[Wish]:
    nudges = config.nudges
    visits = sorted(facts.appointments.items(), key=lambda item: (item[1].start, item[0]))
    ahead = any(one.status in OPEN and one.start > now for _, one in visits)
    past = [(id, one) for id, one in visits if one.start <= now and one.status in _KEPT_VISIT | {"no-show"}]
    if past and not ahead:
        id, last = past[-1]
        if last.status == "no-show" and nudges.rebook_after_hours:
            yield _nudge("rebook", id, last.start + timedelta(hours=nudges.rebook_after_hours), last, facts, config)
        elif last.status != "no-show" and nudges.quiet_days and facts.planned:
            yield _nudge("plan-of-care", id, last.start + timedelta(days=nudges.quiet_days), last, facts, config)
    for id, count in facts.left.items():
        if nudges.visits_left and 0 < count <= nudges.visits_left and past:
            made = _nudge("authorization", id, past[-1][1].start + timedelta(hours=2), past[-1][1], facts, config)
            made.count = count
            yield made


def _nudge(kind: str, about: RecordId, due: datetime, last: Appointment, facts: Facts, config: RemindersConfig) -> Wish:
    clinic, zone, hours = _setting(last, facts, config)
    return Wish(
        kind=kind, step="once", about=about, due=hours.next_opening(due).astimezone(UTC),
        until=(due + NUDGE_FOR).astimezone(UTC), hours=hours, clinic=clinic, location=last.location, zone=zone,
    )  # fmt: skip
