"""Reading around a place: what a message says beside the places that cannot, or must not, be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import BaseModel

from gateway.errors import InvalidContent
from gateway.flow.drift_form import WRONG_TYPE
from gateway.hookspecs import Adapter
from gateway.mapping import Mapping as FieldMapping
from gateway.model.form import Shape, Shaped
from gateway.model.patch import Normalized

MOST = 8
"""Places of one message that are read around; with more it is another kind of message."""
_END = re.compile(r"[.\[]")
Normalize = Callable[[bytes, bytes], Normalized]


def barred(mapping: FieldMapping, shape: Shape, places: Mapping[str, str], words: Mapping[str, str]) -> FieldMapping:
    """The mapping, refusing every path that is read from some outermost places of the source.

    Args:
        mapping: what is read otherwise.
        shape: knows what the adapter's paths are read from.
        places: the reason why each must not be read.
        words: each reason in one sentence.
    """
    covered = {path for kind in mapping.kinds for path in mapping.covered(kind)}
    for reason in sorted(set(places.values())):
        paths = {
            path: place for path in covered for place in shape.origins(path) if places.get(place) == reason
        }  # fmt: skip
        mapping = mapping.barring(paths, reason, words[reason])
    return mapping


def tolerant(adapter: Adapter, config: BaseModel, mapping: FieldMapping) -> Normalize:
    """The adapter's function, that holds the fields made of a place it cannot decode and reads the rest."""
    plain = adapter.normalizer(config, mapping)
    if not isinstance(adapter, Shaped):
        return plain
    shape = adapter.shape
    readers: dict[frozenset[str], Normalize] = {}

    def reader(broken: frozenset[str]) -> Normalize:
        found = readers.get(broken)
        if found is None:
            if len(readers) >= 4 * MOST:
                readers.clear()
            words = {WRONG_TYPE: "The value is of another type than documented"}
            narrowed = barred(mapping, shape, dict.fromkeys(broken, WRONG_TYPE), words)
            found = readers[broken] = adapter.normalizer(config, narrowed)
        return found

    def around(error: InvalidContent, body: bytes, context: bytes) -> Normalized:
        broken: frozenset[str] = frozenset()
        while error.reason == WRONG_TYPE and len(broken) < MOST:
            place = _END.split(error.where, maxsplit=1)[0]
            left = shape.without(body, context, place) if place and place not in broken else None
            if left is None:
                break
            body, broken = left, broken | {place}
            try:
                return reader(broken)(body, context)
            except InvalidContent as following:
                error = following
        raise error

    def normalize(body: bytes, context: bytes) -> Normalized:
        try:
            return plain(body, context)
        except InvalidContent as error:
            return around(error, body, context)

    return normalize
