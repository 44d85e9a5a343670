"""What the records of one kind look like at one source: learnt from those that came, bounded, without any value.

Learnt is which places there are, how often each is there and empty, and of which JSON types its content is. Counting
every sixteenth record is enough for that once a kind is known; the gate that finds drift looks at each. Only places
that some mapping rule reads can drift: what nobody reads harms nobody by leaving.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from gateway.model.form import Form, Told

VANISHED, WRONG_TYPE = "vanished", "wrong-type"
"""Why a place must not be read; the second is the word by which adapters refuse content of another type, too."""
LEARN = 20
"""Records of a kind after which its form counts as known."""
EVERY = 16
"""Of a kind that is known, one record in so many is counted."""
TYPES_EVERY = 4
"""Of a kind that is known, the types in one record in so many are looked at; in each, once one has changed."""
RETURNS = 3
"""So many records with a vanished place show that it is merely not always there."""
MOST_PLACES = 400
"""Places that are learnt of one kind; more are not looked at."""
RECENT = 1 / 32
"""Weight of the newest counted record in the recent rate of empty content."""
OFTEN, SELDOM, SURE = 0.75, 0.1, 100
"""A place that was empty in fewer than ``SELDOM`` of ``SURE`` records and recently is in ``OFTEN``: told, not held."""
_PLACE = re.compile(r"[A-Za-z_@][\w .@:/\-\[\]]{0,63}", re.ASCII)
_TYPES = {34: "text", 91: "list", 123: "object", 116: "boolean", 102: "boolean", 110: "null"}
_TYPES |= dict.fromkeys(b"-0123456789", "number")
_FIRST = {name: frozenset(byte for byte, of in _TYPES.items() if of == name) for name in set(_TYPES.values())}
_SCALAR = frozenset({"text", "number"})
"""Types that vendors swap; conversion decides whether the other one can be read."""


class Place(msgspec.Struct):
    """One place of a kind: counts only."""

    seen: int = 0
    first: int = 0
    """How many records had been counted before the first that had it."""
    nulls: int = 0
    types: dict[str, int] = {}
    recent: float = 0.0
    """How often it was empty of late, between 0 and 1."""


class Learnt(msgspec.Struct):
    """What is known of one kind; this is what is kept."""

    seen: int = 0
    places: dict[str, Place] = {}
    optional: set[str] = set()
    """Places that were always there until they were not, and were found to be merely optional, or accepted so."""

    @property
    def known(self) -> bool:
        """Whether enough records were seen."""
        return self.seen >= LEARN

    def always(self, place: str) -> bool:
        """Whether every record that was counted had it."""
        found = self.places.get(place)
        return found is not None and found.seen == self.seen and place not in self.optional

    def count(self, places: Mapping[str, Told]) -> Iterator[tuple[str, str]]:
        """Count one record; gives (place, type) of each type that is new at a place that is known."""
        known = self.known
        for name, told in places.items():
            place = self.places.get(name)
            if place is None:
                if len(self.places) >= MOST_PLACES or _PLACE.fullmatch(name) is None:
                    continue
                place = self.places[name] = Place(first=self.seen)
            place.seen += 1
            type = type_of(told)
            empty = type == "null"
            place.nulls += empty
            place.recent += (empty - place.recent) * RECENT
            if not empty:
                if known and place.types and type not in place.types:
                    yield name, type
                place.types[type] = place.types.get(type, 0) + 1
        self.seen += 1

    def admitted(self, place: str) -> frozenset[int]:
        """First bytes of content that may be read at a place; empty when everything may."""
        types = set(self.places[place].types) if place in self.places else set()
        if not types:
            return frozenset()
        return frozenset().union(*(_FIRST[name] for name in types | (_SCALAR if types & _SCALAR else set()) | {"null"}))

    def emptied(self, place: str) -> bool:
        """Whether it has become empty of late where it used to be filled."""
        found = self.places[place]
        return found.seen >= SURE and found.nulls < SELDOM * found.seen and found.recent > OFTEN


class Gate:
    """Looks at each record of one kind: what is missing, and what is of another type than ever before.

    Args:
        learnt: what is known; it grows.
        mapped: the places that rules read.
    """

    def __init__(self, learnt: Learnt, mapped: frozenset[str]) -> None:
        self.learnt = learnt
        self._mapped = mapped
        self._turn = 0
        self._always: frozenset[str] = frozenset()
        self._types: tuple[tuple[str, frozenset[int]], ...] = ()
        self._suspects: dict[str, frozenset[int]] = {}
        """Places whose type has changed, with what may be read there."""
        self.missing: dict[str, int] = {}
        """Places that were found missing, and in how many records they have come since."""
        self.refresh()

    def refresh(self) -> None:
        """Take over what was learnt."""
        known = self.learnt.known
        self._always = frozenset(place for place in self._mapped if known and self.learnt.always(place))
        self._types = tuple(
            (place, admitted)
            for place in sorted(self._mapped)
            if known and (admitted := self.learnt.admitted(place))
        )  # fmt: skip
        self._suspects = {place: admitted for place, admitted in self._types if place in self._suspects}

    def look(self, form: Form) -> dict[str, str]:
        """What must not be read of this record: by place, :data:`VANISHED` or :data:`WRONG_TYPE`."""
        places, barred = form.places, {}
        if not self._always <= places.keys():
            for place in self._always - places.keys():
                barred[place] = VANISHED
                self.missing[place] = 0
        self._turn += 1
        if self._turn % TYPES_EVERY == 0:
            self._compare(self._types, places, barred)
        elif self._suspects:
            self._compare(self._suspects.items(), places, barred)
        return barred

    def _compare(
        self, types: Iterable[tuple[str, frozenset[int]]], places: Mapping[str, Told], barred: dict[str, str]
    ) -> None:
        for place, admitted in types:
            told = places.get(place)
            if told is not None and first_of(told) not in admitted:
                barred[place] = WRONG_TYPE
                self._suspects[place] = admitted

    def reads(self, place: str) -> bool:
        """Whether some rule reads it."""
        return place in self._mapped

    def emptied(self) -> list[str]:
        """Places that rules read, which used to be filled and are empty of late."""
        return [place for place in sorted(self._mapped & self.learnt.places.keys()) if self.learnt.emptied(place)]

    def counts(self) -> bool:
        """Whether the record at hand is one to be counted."""
        return not self.learnt.known or self._turn % EVERY == 0

    def returned(self, form: Form) -> list[str]:
        """Places that were missing and have come often enough since: they are optional from now on."""
        found = []
        for place in [one for one in self.missing if one in form.places]:
            self.missing[place] += 1
            if self.missing[place] >= RETURNS:
                del self.missing[place]
                self.learnt.optional.add(place)
                found.append(place)
        return found


def first_of(told: Told) -> int:
    """The first byte of JSON; text that was read from a table counts as text, and as null when it is empty."""
    if type(told) is str:
        return 34 if told else 110
    raw = bytes(told)  # type: ignore[arg-type]  # what is no text is Raw
    return 110 if raw == b'""' else raw[0]


def type_of(told: Told) -> str:
    """The JSON type of some content; empty text counts as null."""
    return _TYPES.get(first_of(told), "text")
