"""Groups of segments inside a message: an insurance, an order, a transaction, each seen as if it stood alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.errors import LimitExceeded
from gateway.wire.hl7 import Message

MAX_GROUPS = 10_000
"""A message with more groups of one kind than this is refused."""


class Group(NamedTuple):
    """What makes a group, and what it is called in the ``kinds`` of mapping files."""

    kind: str
    leaders: tuple[str, ...]
    """Segments that begin a group: the first always, another where the open group has one of it already."""
    members: tuple[str, ...] = ()
    """Segments that belong to the group open before them."""


INSURANCE = Group("IN1", ("IN1",), ("IN2", "IN3"))
CERTIFICATION = Group("IN3", ("IN3",))
AUTHORIZATION = Group("AUT", ("AUT",))
TRANSACTION = Group("FT1", ("FT1",), ("PR1",))
ORDER = Group("ORC", ("ORC", "OBR", "RXO", "RQD"), ("TQ1", "DG1", "NTE", "OBX"))


def views(message: Message, group: Group) -> Iterator[Message]:
    """The message as seen from each of its groups, in order.

    Raises:
        LimitExceeded: ``repetitions`` when there are more than :data:`MAX_GROUPS`.
    """
    names = (*group.leaders, *group.members)
    found: list[dict[str, list[str]]] = []
    for name, text in message.ordered():
        if name not in names:
            continue
        leads = name in group.leaders
        if leads and (not found or name == group.leaders[0] or found[-1][name]):
            found.append({one: [] for one in names})
        if found:
            found[-1][name].append(text)
        if len(found) > MAX_GROUPS:
            raise LimitExceeded("repetitions", f"A group repeats more than {MAX_GROUPS} times.", where=group.kind)
    yield from map(message.at_group, found)


def repeats(view: Message, group: Group) -> Iterator[Message]:
    """Views of the segments that lead a group inside another group."""
    for text in view.segments(group.leaders[0])[:MAX_GROUPS]:
        yield view.at_segment(group.leaders[0], text)
