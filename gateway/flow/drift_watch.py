"""Watching one source: its messages are looked at for their form before they are read, and fields are held for it.

What a watch decides depends on what it has learnt, so two normalizations of one message may differ by the fields that
are held: what is held is written beside the change, and read again when it is released.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import structlog

from gateway.errors import InvalidContent
from gateway.flow.drift_alarm import EMPTIED, Alarm, Key, key_of
from gateway.flow.drift_form import VANISHED, WRONG_TYPE, Gate, Learnt, type_of
from gateway.flow.drift_reading import Normalize
from gateway.flow.handoff import Arrived
from gateway.flow.source import Source
from gateway.flow.words import stored_word
from gateway.model.form import Form, Shaped
from gateway.model.patch import HeldField, Normalized
from gateway.store.messages import Values
from gateway.store.rows import Found

MOST_KINDS = 64
"""Kinds whose form is learnt at one source."""
MOST_READERS = 32
MOST_ALARMS = 1000
"""Alarms of one source; what comes beyond them is held without an alarm of its own."""
WORDS = {
    VANISHED: "A place that every record had is not there",
    WRONG_TYPE: "The content is of another type than ever before",
}

log = structlog.get_logger(__name__)


class Watch:
    """What is known of one source, and what has drifted there. For one thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._shape = source.adapter.shape if isinstance(source.adapter, Shaped) else None
        self._gates: dict[str, Gate] = {}
        self._readers: dict[frozenset[tuple[str, str]], Normalize] = {}
        self.alarms: dict[Key, Alarm] = {}
        self.touched: set[Key] = set()
        """Alarms that are not written yet."""
        self.returned: set[Key] = set()
        """Alarms that what came later has resolved: what is held for them may be released."""
        self.learning = False
        """Whether something was learnt that is not written yet."""
        self.held: dict[int, str] = {}
        """Messages of the batch at hand of which fields are held, with their kinds."""
        self.full = False
        """Whether so many fields are held that a further message waits in quarantine as a whole."""

    @property
    def name(self) -> str:
        """The source's."""
        return self._source.name

    # --- what was known before ------------------------------------------------------------------------------------

    def take_over(self, forms: Iterable[Found], alarms: Iterable[Found]) -> None:
        """Begin with what was kept."""
        for row in forms:
            self._begin(row.kind, msgspec.json.decode(row.form, type=Learnt))
        self.heed(alarms)
        for alarm in self.alarms.values():
            if alarm.what == VANISHED and alarm.state == "open" and alarm.kind in self._gates:
                self._gates[alarm.kind].missing[alarm.place] = 0

    def heed(self, alarms: Iterable[Found]) -> None:
        """Take over what persons decided about alarms meanwhile."""
        for row in alarms:
            alarm = self.alarms.setdefault((row.kind, row.place, row.what), Alarm.kept(row))
            if row.state == "accepted" and not alarm.reopened:
                alarm.state = "accepted"
                self._accept(alarm)

    def _accept(self, alarm: Alarm) -> None:
        """From now on this is how the records look."""
        gate = self._gates.get(alarm.kind)
        if gate is None:
            return
        if alarm.what == VANISHED:
            gate.learnt.optional.add(alarm.place)
            gate.missing.pop(alarm.place, None)
        elif alarm.what == WRONG_TYPE and alarm.place in gate.learnt.places:
            for type in alarm.detail.types:
                gate.learnt.places[alarm.place].types.setdefault(type, 1)
        gate.refresh()

    # --- messages -------------------------------------------------------------------------------------------------

    def normalize(self, message: Arrived) -> Normalized:
        """What a message means, with the fields held that drifted; raises as the adapter does."""
        form = self._form(message)
        gate = None if form is None else self._gate(form.kind)
        if form is None or gate is None:
            result = self._source.normalize(message.body, message.context)
            self._note(message, message.kind, result, {})
            return result
        barred = gate.look(form)
        for place, what in barred.items():
            self._alarm(key_of(form.kind, place, what), type_of(form.places[place]) if what == WRONG_TYPE else "")
        read = self._reader(barred) if barred else self._source.normalize
        result = read(message.body, message.context)
        self._note(message, form.kind, result, barred, form)
        if gate.missing:
            self._resolve(gate, form)
        if not barred and gate.counts():
            self._learn(gate, form)
        return result

    def _form(self, message: Arrived) -> Form | None:
        if self._shape is None:
            return None
        try:
            return self._shape.form(message.body, message.context)
        except Exception:  # noqa: BLE001 - the seam to an adapter: normalizing the same bytes will tell what is wrong
            return None

    def _gate(self, kind: str) -> Gate | None:
        gate = self._gates.get(kind)
        if gate is None and kind in self._source.mapping.kinds and len(self._gates) < MOST_KINDS:
            gate = self._begin(kind, Learnt())
        return gate

    def _begin(self, kind: str, learnt: Learnt) -> Gate:
        shape, covered = self._shape, self._source.mapping.covered(kind)
        mapped = {place for path in covered for place in shape.origins(path)} if shape is not None else set()
        gate = self._gates[kind] = Gate(learnt, frozenset(mapped))
        return gate

    def _reader(self, barred: dict[str, str]) -> Normalize:
        """A reader that holds every field made of these places."""
        key = frozenset(barred.items())
        found = self._readers.get(key)
        if found is None:
            if len(self._readers) >= MOST_READERS:
                self._readers.clear()
            found = self._readers[key] = self._source.barring(barred, WORDS)
        return found

    # --- what is noted --------------------------------------------------------------------------------------------

    def _note(
        self, message: Arrived, kind: str, result: Normalized, barred: dict[str, str], form: Form | None = None
    ) -> None:
        for patch in result.patches:
            for one in patch.held:
                self.held[message.message_id] = kind
                key = key_of(kind, one.place, one.reason)
                told = form.places.get(one.place) if form is not None and one.reason == WRONG_TYPE else None
                new_type = "" if told is None else type_of(told)
                alarm = self.alarms.get(key) if one.place in barred else self._alarm(key, new_type)
                if alarm is not None:
                    alarm.concern(one, patch.type, message.message_id, again=message.attempt > 0)
        if self.full and not message.attempt and self.held.pop(message.message_id, ""):
            first = next(one for patch in result.patches for one in patch.held)
            raise InvalidContent(
                first.reason, "A field cannot be read, and as many are held already as may be", where=first.place,
                fix="Settle the alarms of `gateway drift`, then `gateway quarantine release`.",
            )  # fmt: skip

    def _alarm(self, key: Key, new_type: str = "", *, holds: bool = True) -> Alarm | None:
        """One more message that shows it; None where there are more alarms than are kept."""
        alarm = self.alarms.get(key)
        if alarm is None:
            if len(self.alarms) >= MOST_ALARMS:
                return None
            alarm = self.alarms[key] = Alarm.opened(key)
        alarm.detail.held = alarm.detail.held or holds
        if new_type and new_type not in alarm.detail.types:
            alarm.detail.types.append(new_type)
        if alarm.again():
            # Kind and place are words of the sender: `gateway drift list` shows them.
            log.warning("drift", source=self.name, what=key[2])
        self.touched.add(key)
        return alarm

    def _learn(self, gate: Gate, form: Form) -> None:
        learnt = gate.learnt
        for place, type in learnt.count(form.places):
            if gate.reads(place):
                self._alarm(key_of(form.kind, place, WRONG_TYPE), type, holds=False)
        if learnt.known and (learnt.seen % 16 == 0 or learnt.seen < 64):
            gate.refresh()
            for place in gate.emptied():
                self._alarm(key_of(form.kind, place, EMPTIED), holds=False)
        self.learning = True

    def _resolve(self, gate: Gate, form: Form) -> None:
        """Places that come again were never vanished: they are optional."""
        for place in gate.returned(form):
            alarm = self.alarms.get(key_of(form.kind, place, VANISHED))
            if alarm is not None and alarm.state == "open":
                alarm.state = "resolved"
                self.touched.add(alarm.key)
                self.returned.add(alarm.key)
            gate.refresh()
            self.learning = True

    # --- what is written ------------------------------------------------------------------------------------------

    def form_rows(self, now: int) -> list[Values]:
        """What was learnt, as it is kept."""
        return [
            {
                "tenant": self._source.tenant, "source": self._source.name, "kind": stored_word(kind, 64),
                "form": msgspec.json.encode(gate.learnt, order="sorted").decode(), "at": now,
            }
            for kind, gate in self._gates.items()
        ]  # fmt: skip

    def alarm_rows(self) -> list[Values]:
        """The alarms that are not written yet."""
        source = self._source
        return [self.alarms[key].row(source.tenant, source.name, source.mapping_hash) for key in sorted(self.touched)]

    def key(self, message: Arrived, held: HeldField) -> Key:
        """The alarm for which a field of a message of this batch is held."""
        return key_of(self.held[message.message_id], held.place, held.reason)

    def written(self) -> set[Key]:
        """All of it is written; gives the alarms that settled themselves."""
        for key in self.touched:
            self.alarms[key].reopened = False
        returned, self.returned = self.returned, set()
        self.touched.clear()
        return returned
