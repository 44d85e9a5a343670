"""What becomes of each wish: which channel, whether consent, caps, hours and events allow it, and when to look again.

What was sent stays sent, whatever is believed later. Only what is due carries text and address: until then there is
nothing to disclose, and a change of name makes no new version.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.model.exchange import Derived
from gateway.model.identity import RecordId
from gateway_reminders.config import RemindersConfig
from gateway_reminders.reactor_wish import AHEAD, Wish
from gateway_reminders.translate_consent import agreed, reach
from gateway_reminders.translate_facts import Facts, Sent
from gateway_reminders.translate_text import fields, language_of, render
from gateway_reminders.translate_twins import SEEN_TWICE, leads, told_elsewhere

_WEEK = timedelta(days=7)
_LACKS = ("failed", "no-address", "no-consent")
"""Why no channel is left: the one told is the one that was nearest to being used."""
PURPOSES = {"visit": "appointment", "rebook": "care", "authorization": "care", "plan-of-care": "care"}


class Way(Struct, frozen=True):
    """By which channel a message can go, and what allows it."""

    channel: str
    to: str | None = None
    consent: RecordId | None = None
    ends: datetime | None = None
    lack: str | None = None


class Planner:
    """Decides the wishes of one patient in the order in which they are due, so that caps fall on the later ones."""

    def __init__(self, facts: Facts, config: RemindersConfig, now: datetime) -> None:
        self._facts = facts
        self._config = config
        self._now = now
        self._times = [
            one.at
            for patient in (facts, *facts.others)
            for group in patient.sent.values()
            for one in group
            if one.at and not one.failed
        ]
        self.records: list[Derived] = []
        self.looks: list[datetime] = []
        """Times at which the answer may be another."""

    def plan(self, wishes: Iterable[Wish]) -> None:
        """Decide all of them."""
        for wish in sorted(wishes, key=lambda one: (one.due, one.occasion)):
            if wish.due - AHEAD > self._now:
                self.looks.append(wish.due - AHEAD)
            else:
                self._decide(wish)

    def _decide(self, wish: Wish) -> None:
        earlier = self._facts.sent.get(wish.occasion, ())
        went = next((one for one in earlier if not one.failed), None)
        self.looks += [at for at in (wish.due, wish.until, wish.start) if at is not None]
        if went is not None:
            answered = wish.about in self._facts.replies
            self._add(wish, went.channel, "answered" if answered else "sent", communication=went.id)
            return
        way = self._way(wish, earlier)
        against = self._stopped(wish)
        if against is not None:
            self._add(wish, way.channel, "cancelled", held_because=against)
        elif way.lack == "failed":
            self._add(wish, way.channel, "failed", communication=earlier[-1].id)
        elif way.lack is not None:
            self._add(wish, way.channel, "held", held_because=way.lack)
        else:
            self._time(wish, way)

    def _stopped(self, wish: Wish) -> str | None:
        """What ends a wish for good."""
        if wish.stop is not None:
            return wish.stop
        if wish.start is not None and wish.start <= self._now:
            return "visit-past"
        heard = [self._facts.replies.get(wish.about), *(one.facts.replies.get(one.id) for one in wish.twins)]
        reply = next((one for one in heard if one is not None), None)
        if reply in ("cancel", "reschedule") or (reply == "confirm" and not self._config.remind_confirmed):
            return f"patient-answered-{reply}"
        if told_elsewhere(wish.step, wish.twins) or not leads(wish.about, self._facts, wish.twins, self._reachable):
            return SEEN_TWICE
        return "too-late" if wish.until <= self._now else None

    def _reachable(self, facts: Facts) -> bool:
        """Whether a reminder of a visit could go to this patient record by some channel."""
        return any(
            agreed(facts.consents, channel, PURPOSES["visit"], self._now)[0] and reach(facts.patient, channel)
            for channel in self._config.channels
        )

    def _way(self, wish: Wish, earlier: Iterable[Sent]) -> Way:
        """The first channel that is agreed to, has an address, and did not fail for this message."""
        failed = {one.channel for one in earlier}
        lacks: dict[str, str] = {}
        for channel in (wish.channel,) if wish.channel else self._config.channels:
            consent, ends = agreed(self._facts.consents, channel, PURPOSES[wish.kind], self._now)
            to = reach(self._facts.patient, channel)
            if channel not in failed and consent is not None and to is not None:
                return Way(channel, to, consent, ends)
            lacks.setdefault(
                "failed" if channel in failed else "no-consent" if consent is None else "no-address", channel
            )
        lack = next(name for name in _LACKS if name in lacks)
        return Way(lacks[lack], lack=lack)

    def _time(self, wish: Wish, way: Way) -> None:
        """Caps, then the clock."""
        now, hours = self._now, wish.hours
        at = max(wish.due, now)
        cap = self._capped(wish, at)
        if cap is not None:
            self._add(wish, way.channel, "held", held_because=cap)
            return
        self._times.append(at)
        if way.ends is not None:
            self.looks.append(way.ends)
        if now < wish.due:
            self._add(wish, way.channel, "planned", consent=way.consent)
        elif hours.is_open(now):
            until = min(wish.until, hours.closing(now))
            self.looks.append(until)
            self._add(wish, way.channel, "due", consent=way.consent, until=until, to=way.to, **self._words(wish, way))
        else:
            self.looks.append(hours.next_opening(now))
            self._add(wish, way.channel, "held", held_because="quiet-hours")

    def _capped(self, wish: Wish, at: datetime) -> str | None:
        same_day = sum(wish.hours.day(one) == wish.hours.day(at) for one in self._times)
        if same_day >= self._config.per_day:
            return "daily-cap"
        same_week = sum(timedelta(0) <= at - one < _WEEK for one in self._times)
        return "weekly-cap" if same_week >= self._config.per_week else None

    def _words(self, wish: Wish, way: Way) -> dict[str, Any]:
        language = language_of(self._facts.patient.language)
        name = self._facts.patient.name
        called = (name.preferred or name.given or "") if name else ""
        local = wish.start.astimezone(ZoneInfo(wish.zone)) if wish.start else None
        values = fields(called, wish.clinic.name, wish.clinic.phone, local, language, wish.count)
        own = self._config.templates
        told: dict[str, Any] = {
            "text": render(own, wish.kind, way.channel, language, values), "language": language,
        }  # fmt: skip
        if way.channel == "email":
            told["subject"] = render(own, wish.kind, "subject", language, values)
        return told

    def _add(self, wish: Wish, channel: str, state: str, **more: Any) -> None:
        occasion = f"{wish.occasion}/{channel}"
        told: dict[str, Any] = {
            "due_at": wish.due, "channel": channel, "state": state, "kind": wish.kind, "step": wish.step,
            "occasion": occasion, "patient": self._facts.id, "zone": wish.zone, "location": wish.location,
            "start": wish.start and wish.start.astimezone(UTC), "because": wish.because,
            "appointment": wish.about if wish.kind != "authorization" else None, **more,
        }  # fmt: skip
        held = {name: value for name, value in told.items() if value is not None}
        self.records.append(Derived(type="Reminder", native_id=occasion, fields=held, patient=self._facts.id))
