"""Looking into the search index: which records have the hidden words that a search asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from gateway.http import fhir_tokens as tokens
from gateway.store import searching
from gateway.store.opening import Store
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
        self, tenant: str, type: str, window: tuple[int | None, int | None], after: tuple[int, bytes] | None, most: int
    ) -> list[tuple[int, bytes]]:
        """(time, record id) of the next records that changed in a window. Blocks."""
        return self._store.read_sync(
            lambda connection: searching.changed(connection, tenant, type, window, after, most)
        )

    def _blind(self, tenant: str, column: str, word: str) -> bytes:
        return blind(self._vault, tenant, column, word)
