"""Derive: what follows from one group, as values. The reactor's own code is called here, and to group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from gateway.flow.clock import micros_of, moment
from gateway.flow.derived import Fault, Made, Message, Reaction, Thing, content_of, member_of, things
from gateway.model.exchange import Derivation, Snapshot

FAILED = "failed\0"
"""Keys of groups that hold one record which the reactor could not group begin with it."""
LEAST_AGAIN = 1_000_000
"""Microseconds that a group is let alone at least, whatever time its reactor asks for."""
UPGRADE = "Report this to the reactor's author; another version derives the group again."

log = structlog.get_logger(__name__)
Digest = Callable[[bytes], bytes]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A group before it is derived."""

    group_id: bytes
    turn: int
    derived_at: int
    told: bytes
    key: str
    made: tuple[Made, ...]
    members: tuple[Snapshot, ...]
    damaged: bool
    """Whether a member cannot be read."""
    unreadable: bool
    """Whether the group's own box cannot be read: then its key and what it made are not known."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group after it was derived."""

    group_id: bytes
    turn: int
    derived_at: int
    told: bytes
    key: str
    due_at: int | None
    message: Message
    made: tuple[Made, ...]
    made_before: tuple[Made, ...]
    empty: bool
    unreadable: bool

    def digest(self, digest: Digest) -> bytes:
        """By which the next derivation is told from this one."""
        return digest(content_of(msgspec.structs.replace(self.message, removed=())))

    def tells(self, digest: Digest) -> bool:
        """Whether there is anything new to tell."""
        if self.message.removed:
            return True
        silent = self.message.fault is None and not self.message.records and not self.made_before
        return not silent and self.digest(digest) != self.told


def derive_group(reaction: Reaction, known: Known, now: int, most: int) -> Group:
    """Call the reactor for one group; when it fails, the group keeps what it made, and the failure is told.

    More than ``most`` bytes of records are a failure too.
    """
    at = max(now, known.derived_at)
    due_at = None
    try:
        if known.damaged or known.unreadable:
            fault = Fault("member-damaged", "store", "Restore the damaged rows from a verified backup.")
            message = Message(fault=fault, members=tuple(map(member_of, known.members)))
        else:
            derivation = _called(reaction, known, at)
            due_at = None if derivation.again is None else max(micros_of(derivation.again), at + LEAST_AGAIN)
            message = Message(records=_whole(derivation, most), members=tuple(map(member_of, known.members)))
    except Exception as error:  # noqa: BLE001 - the seam to a reactor: its defect may cost this group only
        log.error("reactor-cannot-derive", reactor=reaction.reactor_name, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold values
        fault = Fault("reactor-failed", type(error).__name__, UPGRADE)
        message = Message(fault=fault, members=tuple(map(member_of, known.members)))
    made = known.made if message.fault is not None else tuple(Made(one.type, one.native_id) for one in message.records)
    return Group(
        group_id=known.group_id, turn=known.turn, derived_at=at, told=known.told, key=known.key, due_at=due_at,
        message=message, made=made, made_before=known.made, unreadable=known.unreadable,
        empty=not (known.members or known.damaged or known.unreadable),
    )  # fmt: skip


def _called(reaction: Reaction, known: Known, at: int) -> Derivation:
    """Nothing follows from nothing: a group without members is not even asked about."""
    if not known.members:
        return Derivation()
    if known.key.startswith(FAILED):
        raise ValueError("the reactor cannot group this record")
    return reaction.reactor.derive(known.key, known.members, reaction.config, moment(at))


def _whole(derivation: Derivation, most: int) -> tuple[Thing, ...]:
    """The records derived, as values that can be stored; whatever cannot be is the reactor's failure."""
    found = things(derivation)
    if len({(one.type, one.native_id) for one in found}) != len(found):
        raise ValueError("one record twice in a derivation")
    if len(content_of(Message(found))) > most:
        raise ValueError("a derivation larger than a message may be")
    return found


def released(
    group: Group,
    records: Callable[[Iterable[Made]], list[bytes]],
    made: Mapping[bytes, bytes],
    makers: Mapping[bytes, bytes],
) -> Group:
    """The group with the removal of what it made and makes no more, unless another group makes it now.

    Args:
        group: as derived.
        records: record ids of what was made.
        made: the group that makes each record, of those derived in the same commit.
        makers: the same as it was before, for what none of them makes.
    """
    ids = dict(zip(group.made_before, records(group.made_before), strict=True))
    gone = tuple(one for one, record in ids.items() if record not in made and makers.get(record) == group.group_id)
    return msgspec.structs.replace(group, message=msgspec.structs.replace(group.message, removed=gone))
