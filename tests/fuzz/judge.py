"""What no parser may do with bytes from outside: fail in its own way, repeat a value of them, or take its time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from msgspec import Struct

from gateway.errors import GatewayError
from gateway.model.exchange import Finding

ROOT = Path(__file__).parents[2]
MOST_BYTES = 64 * 1024
MOST_SECONDS = 2.0
"""Of one core, for an input of at most :data:`MOST_BYTES`; all parsers need less than a tenth of it."""
TURNS = 3
_WORD = re.compile(r"[a-z0-9]{5,}")
_PLACES = frozenset(f"isa{number:02}" for number in range(1, 17))
"""Elements of an X12 header, which are put together when something is said of them."""
_OURS = ("gateway", "adapters", "plugins", "mappings")


class Target(Struct, frozen=True):
    """One parser: what it is given, and how it is run."""

    name: str
    run: Callable[[bytes], Iterable[Finding | str]]
    """Reads an input and gives everything that was said about it; may raise any ``GatewayError``."""
    seeds: tuple[bytes, ...]
    """Sound inputs, from which broken ones are made."""


def offences(target: Target, data: bytes) -> list[str]:
    """What the parser did that it may not, without what it raised: an error that is none of ours goes through."""
    took = float("inf")
    for _ in range(TURNS):  # others on the machine can make a turn slower, never faster
        said: list[str] = []
        begun = time.process_time()
        try:
            said.extend(_text(one) for one in target.run(data[:MOST_BYTES]))
        except GatewayError as error:
            said.append(f"{error} {getattr(error, 'reason', '')}")
        took = min(took, time.process_time() - begun)
        if took <= MOST_SECONDS:
            break
    found = [f"it took {took:.1f} s"] if took > MOST_SECONDS else []
    spoken = _words(" ".join(said))
    if leaked := {word for word in spoken & _words(data[:MOST_BYTES].decode("latin-1")) if word not in vocabulary()}:
        found.append(f"the errors repeat values of the input: {sorted(leaked)}")
    return found


def _text(said: Finding | str) -> str:
    return f"{said.reason} {said.what} {said.where} {said.fix}" if isinstance(said, Finding) else said


def _words(text: str) -> set[str]:
    """Words that can be a value; a short number may be a line or a count."""
    return {word for word in _WORD.findall(text.lower()) if len(word) > 6 or not word.isdecimal()}


@cache
def vocabulary() -> frozenset[str]:
    """Every word of the product itself: a standard's names may stand in an input and in an error alike."""
    paths = (path for room in _OURS for ending in ("py", "toml") for path in (ROOT / room).rglob(f"*.{ending}"))
    return _PLACES.union(
        word
        for path in paths
        if not path.name.startswith("simulator")
        for text in [path.read_text("utf-8")]
        for word in _words(text) | _words(text.replace("_", ""))  # FHIR writes in one word what we write in several
    )
