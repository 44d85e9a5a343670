"""Words that come from outside, as columns can hold them."""

from __future__ import annotations

import hashlib

SHREDDED = "shredded"
"""The reason of everything that goes no further because the patient was shredded, or its value was dropped in time."""
REPEAT = "repeat"
"""Why a message goes no further whose control id and bytes came before: the first one's answer stands."""
TARGET_ARRIVED = "target-arrived"
"""Why a message is read again as a whole: the record has come that it refers to by another name than the id."""
DIGITS = 32
"""Of a hash that stands for the end of a word too long for its column."""


def stored_word(word: str, most: int) -> str:
    """A word from outside as a column can hold it: the same for the same word, and different for different ones.

    PostgreSQL refuses NUL and what is longer than the column, both drivers refuse lone surrogates; one such word would
    fail every row that is stored with it.
    """
    if not word.isprintable():
        word = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in word)
    if len(word) <= most:
        return word
    return word[: most - DIGITS] + hashlib.sha256(word.encode()).hexdigest()[:DIGITS]
