"""What a query answers with."""

from __future__ import annotations

from typing import Any

Found = Any
"""A row: its columns are attributes, named as in the schema; SQLAlchemy's own type cannot say which."""
