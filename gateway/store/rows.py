"""What a query answers with, how a key that is taken is told, and how many rows are alike."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.exc import IntegrityError

Found = Any
"""A row: its columns are attributes, named as in the schema; SQLAlchemy's own type cannot say which."""

RowExists = IntegrityError
"""Raised when another writer has inserted a row with the same key."""

STREAM = {"yield_per": 5000}
"""Rows as they come, this many at a time, however many there are."""


def counted(connection: Connection, query: Select[Any]) -> Counter[Any]:
    """How often each row of a query comes, counted here.

    The embedded database groups by sorting, and what it sorts stays in memory, since its temporary files are not
    encrypted: rows of millions of messages would be there at once.
    """
    return Counter(map(tuple, connection.execute(query, execution_options=STREAM)))
