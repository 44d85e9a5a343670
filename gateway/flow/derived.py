"""Derived: a reactor as a source. What it derives of one group is one message, and this is the adapter that reads it.

So ledger, sealing, provenance, quarantine and explain work for derived records as for any others. A message also names
the versions of the records it was derived from; ``explain`` shows them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
from pydantic import BaseModel

from gateway.errors import InvalidContent
from gateway.hookspecs import Reactor
from gateway.model import TYPES
from gateway.model.exchange import Derivation, Item, ReactorInfo, Snapshot
from gateway.model.patch import Normalized, Patch

PREFIX = "reactor."
"""Names of sources that are reactors begin with it; no configured source's can."""
KIND = "derivation"

_encode = msgspec.json.Encoder(order="deterministic").encode


class Member(msgspec.Struct, frozen=True):
    """One version of one record from which something was derived."""

    type: str
    record_id: str
    version: int
    source: str


class Thing(msgspec.Struct, frozen=True, omit_defaults=True):
    """One derived record: all of its fields."""

    type: str
    native_id: str
    fields: dict[str, Any]
    patient: str | None = None


class Made(msgspec.Struct, frozen=True, array_like=True):
    """Which record was made."""

    type: str
    native_id: str


class Fault(msgspec.Struct, frozen=True):
    """Why nothing could be derived."""

    reason: str
    where: str
    fix: str


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """What follows from one group of records, as it is stored."""

    records: tuple[Thing, ...] = ()
    removed: tuple[Made, ...] = ()
    members: tuple[Member, ...] = ()
    fault: Fault | None = None


_decode = msgspec.json.Decoder(Message).decode


@dataclass(frozen=True)
class Reaction:
    """A configured reactor, ready to run, and an :class:`~gateway.flow.source.Origin`."""

    tenant: str
    reactor_name: str
    reactor: Reactor
    config: BaseModel

    foreign = False

    @property
    def name(self) -> str:
        """The name of its source."""
        return PREFIX + self.reactor_name

    @property
    def label(self) -> str:
        """Reactor and version."""
        return f"{self.reactor.info.name}/{self.reactor.info.version}"

    @cached_property
    def text(self) -> str:
        """What, with its code, decides what it derives: kept by hash."""
        text = {"reactor": self.reactor.info.name, "version": self.reactor.info.version}
        return _encode(text | {"config": self.config.model_dump(mode="json")}).decode()

    @cached_property
    def mapping_hash(self) -> bytes:
        """The hash of :attr:`text`: another hash makes another edition, and everything is derived anew."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def normalize(self) -> Callable[[bytes, bytes], Normalized]:
        """Reads messages that :func:`derived_item` made."""
        info = self.reactor.info
        return lambda body, _: read_derivation(body, info)


def members_named(body: bytes) -> tuple[Member, ...]:
    """The versions of records from which a stored derivation followed."""
    return _decode(body).members


def things(derivation: Derivation) -> tuple[Thing, ...]:
    """The derived records in an order of their own, so that equal derivations are equal bytes."""
    found = [Thing(one.type, one.native_id, dict(one.fields), one.patient) for one in derivation.records]
    return tuple(sorted(found, key=lambda thing: (thing.type, thing.native_id)))


def content_of(message: Message) -> bytes:
    """What makes one derivation of a group differ from another: all but the versions it followed from."""
    return _encode(Message(message.records, message.removed, (), message.fault))


def derived_item(message: Message, group: str, number: int) -> Item:
    """The message of one derivation. ``number`` is unique: the same thing derived later is another message."""
    return Item(body=_encode(message), kind=KIND, control_id=f"{group}-{number}", order_key=group)


def member_of(snapshot: Snapshot) -> Member:
    """The version of a record that a reactor was shown."""
    return Member(snapshot.type, snapshot.record_id, snapshot.version, snapshot.source)


def read_derivation(body: bytes, info: ReactorInfo) -> Normalized:
    """Patches of one derivation: each record whole, so that a field left out now is deleted.

    Raises:
        InvalidContent: the reactor failed, or made what it does not say that it makes.
    """
    message = _decode(body)
    if message.fault is not None:
        fault = message.fault
        raise InvalidContent(fault.reason, "Nothing could be derived", where=fault.where, fix=fault.fix)
    patches = []
    for thing in message.records:
        if thing.type not in info.writes:
            raise InvalidContent(
                "type-not-declared", "The reactor made a record of a type that it does not declare", where=thing.type,
                fix="Report this to the reactor's author.",
            )  # fmt: skip
        fields = dict.fromkeys(TYPES[thing.type].__struct_fields__) | thing.fields
        patches.append(
            Patch(
                type=thing.type, native_id=thing.native_id, fields=fields, patient=thing.patient, references=frozenset()
            )
        )
    patches += [
        Patch(type=made.type, native_id=made.native_id, operation="remove")
        for made in message.removed
        if made.type in info.writes
    ]
    return Normalized(patches=tuple(patches))
