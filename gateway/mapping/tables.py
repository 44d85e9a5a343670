"""Code tables: what a source's codes are called in the canonical model."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Any

from gateway.mapping.converters import text
from gateway.mapping.rules import text_of
from gateway.mapping.times import Unconvertible

TABLE_KEYS = frozenset({"unknown", "codes"})
REJECT = "reject"
KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Table:
    """One code table; ``unknown`` is ``reject``, ``keep`` or the canonical code of everything not listed."""

    name: str
    unknown: str
    codes: dict[str, str]

    def lookup(self) -> Callable[[Any], Any]:
        """A function from a source's code, in any letter case, to the canonical code."""
        codes = {code.strip().upper(): canonical for code, canonical in self.codes.items()}
        exact = {**codes, **self.codes}
        name, unknown = self.name, self.unknown

        def look(raw: Any) -> str | None:
            found = exact.get(raw) if type(raw) is str else None
            if found is not None:
                return found
            code = text(raw)
            if code is None:
                return None
            found = codes.get(code.upper())
            if found is not None:
                return found
            if unknown == REJECT:
                raise Unconvertible(
                    "unmapped-code",
                    f"the code is not in the table {name}",
                    f"add it to codes/{name}.toml in the overlay folder of the source, then release the message",
                )
            return code if unknown == KEEP else unknown

        return look


def parse(name: str, file: str, data: Dictionary[str, Any], mistake: Callable[[str, str, str, str], None]) -> Table:
    """A table from its file, noting every mistake."""
    for key in data.keys() - TABLE_KEYS:
        mistake(file, key, "is not a key of a code table", "use unknown and codes")
    unknown = data.get("unknown")
    if not isinstance(unknown, str) or not unknown:
        mistake(
            file, "unknown", "does not say what to do with other codes", 'write "reject", "keep" or a canonical code'
        )
        unknown = REJECT
    raw = data.get("codes", {})
    if not isinstance(raw, dict):
        mistake(file, "codes", "is not a table", "write [codes] with one line for each code")
        raw = {}
    codes: dict[str, str] = {}
    for code, canonical in raw.items():
        if isinstance(canonical, (str, bool)) and canonical != "":
            codes[code] = text_of(canonical)
        else:
            mistake(file, f"codes.{code}", "is not a text", "write the canonical code in quotes")
    folded: dict[str, str] = {}
    for code, canonical in codes.items():
        if folded.setdefault(code.strip().upper(), canonical) != canonical:
            mistake(file, f"codes.{code}", "differs from another line only by letter case", "keep one of the two lines")
    return Table(name, unknown, codes)
