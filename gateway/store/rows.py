"""What a query answers with, and how a key that is taken is told."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError

Found = Any
"""A row: its columns are attributes, named as in the schema; SQLAlchemy's own type cannot say which."""

RowExists = IntegrityError
"""Raised when another writer has inserted a row with the same key."""
