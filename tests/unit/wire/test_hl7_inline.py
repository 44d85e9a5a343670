"""Reading written into a generated function finds what the reader itself finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.generator import Writer
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import Value, compile_path

PATHS = ("PID-3", "PID-3.1", "PID-3.4", "PID-3[2].1", "PID-3[MR].1", "PID-5.2", "PID-8", "ZZZ-1.1", "OBX[2]-5.1")
PIECES = st.sampled_from(["", "A", " B ", '""', "\\T\\", "\\X41\\", "MR", "x&y", "\\.br\\"])
FIELDS = st.lists(st.lists(st.lists(PIECES, min_size=1, max_size=6), min_size=1, max_size=3), max_size=9)


def text(fields: list[list[list[str]]], delimiters: str) -> str:
    """Fields of repetitions of components, as a segment's text after its name."""
    between, repeat, escape, inner = delimiters[1:]
    plain = delimiters[0].join(repeat.join(between.join(parts) for parts in one) for one in fields)
    return plain.replace("\\", escape).replace("&", inner)


def inlined(path: str, message: Message) -> Value:
    """What a generated function with one reading returns."""
    writer = Writer()
    with writer.record("record"):
        reader = compile_path(path)
        writer.line(f"return {reader.inline(writer, 'record')}")  # type: ignore[attr-defined]  # every component has it
    found: Value = writer.function("read")(message)
    return found


@given(FIELDS, FIELDS, st.sampled_from(["|^~\\&", "#*!?@"]))
def test_the_inlined_reading_is_the_readers(
    pid: list[list[list[str]]], obx: list[list[list[str]]], delimiters: str
) -> None:
    """Whatever a message holds, deletions, escapes and strange delimiters included."""
    lines = [f"MSH{delimiters}|A"] + [f"{name}{delimiters[0]}{text(fields, delimiters)}" for name, fields in
                                     (("PID", pid), ("OBX", obx), ("OBX", obx))]  # fmt: skip
    data = "\r".join([lines[0].replace("|A", delimiters[0] + "A"), *lines[1:]]).encode()
    for path in PATHS:
        assert inlined(path, Message(data)) == compile_path(path)(Message(data)), path
