"""Path readers as lines of a generated function: the same reading as :mod:`gateway.wire.hl7_path`, without its calls.

Each segment is looked up once in a message and each repetition is taken apart once; what a path then costs is one index
into a list. Only the paths that messages are full of are written out; the others are called as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.model.null import NULL
from gateway.wire.hl7 import MAX_COMPONENTS, NULLED
from gateway.wire.inline import Writer, assigned


class Component:
    """Writes the reading of one component of a place.

    Args:
        place: what names the repetition; equal for all paths into it.
        component: number of the component, 0 for the whole repetition.
        parts: finds the components of the place in a message.
        field: segment and field number, where the place is simply a field's first repetition.
    """

    def __init__(
        self, place: str, component: int, parts: Callable[..., list[str]], field: tuple[str, int] | None
    ) -> None:
        self._place = place
        self._component = component
        self._parts = parts
        self._field = field

    def __call__(self, writer: Writer, record: str) -> str:
        """Add the lines; returns the variable that holds None, ``NULL`` or the text."""
        parts = writer.once(record, self._place, lambda: self._take_apart(writer, record))
        escape = writer.once(record, "escape", lambda: assigned(writer, f"{record}.escape"))
        value, number = writer.fresh(), self._component
        nulled, null = writer.constant(NULLED), writer.constant(NULL)
        writer.line(
            f"{value} = ({parts}[{number}] or None) if len({parts}) > {number} else"
            f" {null} if {parts} is {nulled} else None"
        )
        writer.line(f"if {value} == '\"\"': {value} = {null}")
        writer.line(
            f"elif {value} is not None and {value} is not {null} and {escape} in {value}:"
            f" {value} = {record}.unescape({value}) or None"
        )
        return value

    def _take_apart(self, writer: Writer, record: str) -> str:
        if self._field is None:
            return assigned(writer, f"{writer.constant(self._parts)}({record})")
        segment, number = self._field
        fields = writer.once(
            record, (segment, "fields"), lambda: assigned(writer, f"{record}.fields({writer.constant(segment)})")
        )
        repeat = writer.once(record, "repetition", lambda: assigned(writer, f"{record}.delimiters.repetition"))
        between = writer.once(record, "component", lambda: assigned(writer, f"{record}.delimiters.component"))
        parts, text = writer.fresh(), writer.fresh()
        writer.line(f"{text} = {fields}[{number}] if len({fields}) > {number} else ''")
        writer.line(f"if {repeat} in {text}: {text} = {text}.split({repeat}, 1)[0]")
        writer.line(
            f"{parts} = {writer.constant(())} if not {text} else"
            f" {writer.constant(NULLED)} if {text} == '\"\"' else"
            f" [{text}, *{text}.split({between}, {MAX_COMPONENTS})]"
        )
        return parts
