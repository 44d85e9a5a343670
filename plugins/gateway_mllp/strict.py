"""Building of messages by hl7apy: what leaves conforms to HL7 v2.5.1, or does not leave."""

from __future__ import annotations

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Group, Message, Segment
from hl7apy.exceptions import HL7apyException

from gateway.errors import InvalidContent
from gateway_mllp.translate import Content

_VERSION = "2.5.1"


def build(content: Content) -> bytes:
    """The message's bytes, unframed.

    Raises:
        InvalidContent: ``not-valid`` when what the view grants does not make a valid message.
    """
    message = Message(content.structure, version=_VERSION, validation_level=VALIDATION_LEVEL.TOLERANT)
    groups: dict[tuple[str, ...], Group] = {}
    try:
        for place in content.places:
            parent = message
            for depth, name in enumerate(place.groups, 1):
                # A number behind the name makes a repetition of the group of its own.
                path = place.groups[:depth]
                if path not in groups:
                    groups[path] = parent.add_group(name.partition("#")[0])
                parent = groups[path]
            segment = message.msh if place.name == "MSH" else parent.add_segment(place.name)
            for number, value in sorted(place.fields.items()):
                for repetition in filter(None, value.split("~")):
                    _put(segment, f"{place.name}_{number}", repetition)
        message.validate()
        text = message.to_er7()
    except (HL7apyException, ValueError, KeyError, AttributeError) as error:
        # The library's own words may quote a value.
        raise InvalidContent(
            "not-valid", f"No valid {content.event} can be made of what the view grants: {type(error).__name__}",
            fix="Grant the fields that the message needs; see the reference page of the sink.",
        ) from None  # fmt: skip
    return f"{text}\r".encode()


def _put(segment: Segment, name: str, value: str) -> None:
    """One repetition of a field; what the library filled in by itself is replaced."""
    if segment.name == "MSH":
        setattr(segment, name.lower(), value)
    else:
        segment.add_field(name).value = value
