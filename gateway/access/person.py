"""A person who has shown who they are, and what follows from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.access.roles import Role
from gateway.errors import InvalidConfiguration

_NAME = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*")
LONGEST_NAME = 38


@dataclass(frozen=True)
class Person:
    """One account, as it stands now: every request asks anew, so what is taken away is gone at once."""

    name: str
    role: Role
    tenants: frozenset[str]
    """The clinic groups whose things they may see; there is no way to name another."""
    locations: frozenset[bytes]
    """Only records of these clinics; all when empty."""
    view: str
    """The view through which they see records; empty when they see none."""
    emergencies: frozenset[str] = frozenset()
    """Clinic groups for which they have broken the glass, and the time is not over."""

    @property
    def actor(self) -> str:
        """Their name in the audit log: one person, one name."""
        return f"person:{self.name}"


def checked_name(text: str) -> str:
    """An account's name, when it can be one.

    Raises:
        InvalidConfiguration: it cannot be told from others in a log.
    """
    if len(text) > LONGEST_NAME or not _NAME.fullmatch(text):
        raise InvalidConfiguration(
            "An account's name is one person's, in lower case", where="NAME",
            fix="Write maria.lopez: letters and digits, parted by dots, hyphens or underscores.",
        )  # fmt: skip
    return text
