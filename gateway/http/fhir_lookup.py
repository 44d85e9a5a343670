"""Looking into the search index: which records have the hidden words that a search asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from gateway.http import fhir_tokens as tokens
from gateway.store import searching
from gateway.store.opening import Store
from gateway.store.searching import Changed, Passed
from gateway.vault import Vault

PROBED = 500
"""Records looked at together for their further words."""
FEW = 2000
"""Records that are looked at together for several words at once."""
MOST_WORDS = 16
LAST = b"\xff" * 16
"""Behind every record id."""
FEW_DAYS = 40
"""Days that are asked for at once; of more, years and months come first."""
PROBES = 20_000
"""Records looked at for one page at most."""

Pair = tuple[str, bytes]
"""The word by which a record was found, and its id."""


class Wanted(NamedTuple):
    """What the index is asked for: records of a type with one of the words, and one of each further list."""

    type: str
    by: str
    words: Sequence[str]
    """In order; none for a span of days."""
    span: tuple[date, date] | None = None
    """First and last day."""
    also: Sequence[tuple[str, Sequence[str]]] = ()

    def holds(self, word: str) -> bool:
        """Whether a word is one of those asked for."""
        if self.span is None:
            return word in self.words
        low, high = self.span
        return word == tokens.FAR or tokens.day_word(low) <= word <= tokens.day_word(high)


def blind(vault: Vault, tenant: str, column: str, word: str) -> bytes:
    """A word as the index holds it."""
    return vault.blind(tenant, f"search/{column}", word)


class Lookup:
    """Questions to the index, whoever keeps it. Methods block; they are called in a thread."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def find(
        self, tenant: str, wanted: Wanted, after: tuple[str, bytes] | None, most: int
    ) -> tuple[list[Pair], Pair | None]:
        """(word, record id) of the next records, word after word in their order, and where to go on. Blocks."""
        also = [[self._blind(tenant, f"{wanted.type}.{name}", word) for word in words] for name, words in wanted.also]
        look = partial(self._look, tenant=tenant, wanted=wanted, after=after or ("", b""), most=most, also=also)
        return self._store.read_sync(look)

    def _look(
        self, connection: Any, tenant: str, wanted: Wanted, after: Pair, most: int, also: Sequence[Sequence[bytes]]
    ) -> tuple[list[Pair], Pair | None]:
        """Go through the words: each by itself, or several at a time while few records have one of them."""
        first, record = after
        step = PROBED if also else most
        found: list[Pair] = []
        looked, group = 0, 1
        words = self._words_of(connection, tenant, wanted, first)
        while some := list(islice(words, group)):
            blinds = {self._blind(tenant, f"{wanted.type}.{wanted.by}", word): word for word in some}
            count, matching = searching.together(connection, tenant, list(blinds), FEW, also) if group > 1 else (0, ())
            if group > 1 and count <= FEW:
                found += sorted((blinds[blind], one) for blind, one in matching)
                looked, last = looked + count, (some[-1], LAST)
            else:
                for blind, word in blinds.items():
                    start = record if word == first else b""
                    while len(found) < most and looked < PROBES:
                        probed = searching.probed(connection, tenant, blind, start, step, also)
                        found += ((word, one) for one in probed.ids)
                        looked, start = looked + probed.looked_at, probed.last
                        last = word, start
                        if probed.looked_at < step:
                            break
            if len(found) >= most:
                return found[:most], found[most - 1]
            if looked >= PROBES:
                return found, last
            group = min(group * 2, MOST_WORDS) if also and count <= FEW else 1
        return found, None

    def _words_of(self, connection: Any, tenant: str, wanted: Wanted, first: str) -> Iterator[str]:
        """What is asked for, from the word ``first`` on; of days only those on which some record of the type is.

        Months are looked into one after another, so that a span without end costs no more than what is read of it.
        """
        if wanted.span is None:
            yield from (word for word in wanted.words if word >= first)
            return

        def there(words: Sequence[str]) -> list[str]:
            blinds = {self._blind(tenant, "day", f"{wanted.type}.{word}"): word for word in words}
            return sorted(blinds[blind] for blind in searching.there(connection, tenant, blinds))

        low, high = wanted.span
        if first and first != tokens.FAR:
            low = date.fromisoformat(first)
        if first == tokens.FAR:
            pass
        elif low == high:
            yield tokens.day_word(low)
        elif (high - low).days < FEW_DAYS:
            yield from there([tokens.day_word(low + timedelta(days=number)) for number in range((high - low).days + 1)])
        else:
            for year in there(tokens.years(low, high)):
                for month in there(tokens.months(year, low, high)):
                    yield from there(tokens.days(month, low, high))
        yield tokens.FAR

    def changed(
        self, tenant: str, types: Sequence[str], window: tuple[int | None, int | None], after: Changed | None,
        most: int, *, newest_first: bool = False, also: Sequence[tuple[str, Sequence[str]]] = (),
    ) -> tuple[list[Changed], Changed | None]:  # fmt: skip
        """(time, record id) of the next records of these types by time of change, and where to go on. Blocks.

        Args:
            tenant: whose records.
            types: their types, whose lists become one.
            window: from and before when they changed.
            after: where to go on.
            most: how many are wanted; there may be fewer though it goes on.
            newest_first: from the end.
            also: parameters, and words of which a record has one.
        """
        blinds = {
            type: [[self._blind(tenant, f"{type}.{name}", word) for word in words] for name, words in also]
            for type in types
        }

        def look(connection: Any) -> tuple[list[Changed], Changed | None]:
            found: list[Changed] = []
            place, looked, step = after, 0, PROBED if also else most
            while True:
                passed = [
                    searching.changed(
                        connection, tenant, type, window, place, step, newest_first=newest_first, also=blinds[type]
                    )
                    for type in types
                ]  # fmt: skip
                some, place = _together(passed, newest_first=newest_first)
                found += some
                looked, step = looked + step * len(types), step * 2
                if len(found) >= most:
                    return found[:most], found[most - 1]
                if place is None or not also or looked >= PROBES:
                    return found, place

        return self._store.read_sync(look)

    def count(self, tenant: str, type: str, window: tuple[int | None, int | None]) -> int:
        """How many records of a type changed in a window. Blocks."""
        return self._store.read_sync(lambda connection: searching.counted(connection, tenant, type, window))

    def count_words(self, tenant: str, type: str, parameter: str, words: Iterable[str]) -> int:
        """How many records of a type have one of these words, of which none has two. Blocks."""
        blinds = [self._blind(tenant, f"{type}.{parameter}", word) for word in words]
        return self._store.read_sync(lambda connection: searching.counted_keys(connection, tenant, blinds))

    def _blind(self, tenant: str, column: str, word: str) -> bytes:
        return blind(self._vault, tenant, column, word)


def _together(passed: Sequence[Passed], *, newest_first: bool) -> tuple[list[Changed], Changed | None]:
    """Several lists as one, as far as all of them were looked at, and where that is; None at their end."""
    ends = [one.last for one in passed if one.last is not None]
    merged = merge(*(one.found for one in passed), reverse=newest_first)
    if not ends:
        return list(merged), None
    end = max(ends) if newest_first else min(ends)
    return [one for one in merged if (one >= end if newest_first else one <= end)], end
