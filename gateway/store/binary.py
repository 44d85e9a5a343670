"""Bytes as both drivers already take and give them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import LargeBinary


class Binary(LargeBinary):
    """A column of bytes without conversions: SQLAlchemy's own copies every value on the way in and on the way out."""

    def bind_processor(self, dialect: Any) -> None:
        """Hand bytes to the driver as they are."""

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        """Take bytes from the driver as they are."""
