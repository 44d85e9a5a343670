"""Generates one Python function for each record type and kind of message: what the compiler's closures do, in one call.

A message is read in half a hundred places, so the calls between closures cost more than the work in them. The text of
the function holds only names that are made here; paths, codes, constants and converters stay objects in its globals,
so nothing that stands in a mapping file or in a message is ever evaluated. ``explain`` uses the closures themselves
(:mod:`gateway.mapping.tracing`); that both make the same patches is a tested property.

A path reader may offer an ``inline`` attribute, a function ``(writer, record) -> variable`` that writes its reading
into the function instead of being called; see :class:`Writer` for what it may use. One that is inlined may also say
``trimmed``: what it reads is None, ``NULL`` or text that is neither empty nor has white space around it. And it may
offer ``there``, a function ``(writer, record) -> variable``: where that is false, it reads None, and is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import tzinfo
from typing import Any

from gateway.errors import InvalidContent
from gateway.mapping.combining import join, listed
from gateway.mapping.compiler import Compiler, Getter, PathCompiler, among
from gateway.mapping.converters import TRIMMED, Convert, text
from gateway.mapping.holding import NEVER, UNREAD, Unread, hold, partial
from gateway.mapping.rules import RecordRules, Rule, absolute
from gateway.mapping.tables import Table
from gateway.mapping.times import Unconvertible
from gateway.model.identity import Ref
from gateway.model.null import NULL
from gateway.model.patch import Patch

Block = list["str | Block"]
"""Lines and, indented below them, blocks."""


class Writer:
    """The function in the making: its lines, its globals, and what has been read once already."""

    def __init__(self) -> None:
        self.globals: dict[str, Any] = {"NULL": NULL, "Patch": Patch, "Ref": Ref, "Unconvertible": Unconvertible}
        self.root: Block = []
        self._open = [self.root]
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        self._count = 0
        self._once: dict[str, dict[object, str]] = {}
        self._heads: dict[str, Block] = {}

    def fresh(self) -> str:
        """A variable that is not used yet."""
        self._count += 1
        return f"v{self._count}"

    def constant(self, value: object) -> str:
        """The name of an object among the globals."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"c{len(self._names)}"
            self.globals[name] = value
            self._kept.append(value)  # its id must stay its own
        return name

    def line(self, line: str) -> None:
        """Add one line."""
        self._open[-1].append(line)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Add a line that ends in a colon; what is added inside the ``with`` stands below it."""
        inner: Block = []
        self._open[-1] += [header, inner]
        self._open.append(inner)
        yield
        self._open.pop()
        if not inner:
            inner.append("pass")

    @contextmanager
    def record(self, record: str) -> Iterator[None]:
        """From here on, ``record`` is the variable of a source record or of one repetition."""
        head: Block = []
        self._heads[record], self._once[record] = head, {}
        self._open[-1].append(head)
        yield

    def once(self, record: str, what: object, write: Callable[[], str]) -> str:
        """The variable that holds ``what`` of a record; ``write`` adds its lines where the record begins."""
        known = self._once[record]
        if what not in known:
            head: Block = []
            self._open.append(head)
            known[what] = write()
            self._open.pop()
            self._heads[record] += head
        return known[what]

    def function(self, name: str) -> Callable[..., Any]:
        """The finished function of one argument ``record``."""
        source = f"def {name}(record):\n" + "\n".join(_indented(self.root, 1))
        exec(compile(source, f"<mapping {name}>", "exec"), self.globals)  # noqa: S102 - only names made here, see above
        made: Callable[..., Any] = self.globals[name]
        return made


def _indented(block: Block, depth: int, *, head: bool = False) -> Iterator[str]:
    previous: str | Block = ":" if head else ""
    for one in block:
        if isinstance(one, str):
            yield "    " * depth + one
        else:
            # A block below no header is what was read once: it stands where its record begins.
            below = isinstance(previous, str) and previous.endswith(":")
            yield from _indented(one, depth + below)
        previous = one


def there(several: Sequence[Rule | Getter], reader: Callable[[str], Getter], writer: Writer, record: str) -> list[str]:
    """Variables of which one is true where a field can be said at all, because most of what is read is not there.

    None of them when that cannot be told, or when a rule says something of what is not there.
    """
    found: list[str] = []
    for rule in several:
        if not isinstance(rule, Rule) or rule.constant or rule.fields or rule.each:
            return []
        for path in (*rule.paths, *rule.join, *rule.every):
            told = getattr(reader(path), "there", None)
            if told is None:
                return []
            found.append(str(told(writer, record)))
    return list(dict.fromkeys(found))


class Generator:
    """Generates functions for one kind of message, bound to a clinic's zone and a source's settings."""

    def __init__(
        self, path: PathCompiler, tables: dict[str, Table], zone: tzinfo | None, settings: dict[str, str], kind: str,
        *, holding: bool = False, barred: dict[str, Getter] | None = None,
    ) -> None:  # fmt: skip
        self._closures = Compiler(path, tables, zone, settings, kind, barred=barred)
        self._holding = holding
        self._barred = barred or {}
        self._path = path
        self._kind = kind
        self._inside = ""
        self._writer = Writer()

    def record(self, rules: RecordRules) -> Callable[[Any], Patch | None]:
        """A function from a source record to the patch of one record type; equal to the compiler's."""
        writer = self._writer = Writer()
        places = ", ".join(path for rule in rules.id for path in rule.reads())
        fix = "Name the place that holds it under [id] in an overlay; then release."

        def nameless() -> InvalidContent:
            return InvalidContent(
                "missing-id", f"The message does not identify its {rules.record}", where=places, fix=fix
            )

        with writer.record("record"):
            native = self._alternatives(rules.id, "record")
            with writer.block(f"if {native} is None or {native} is NULL:"):
                writer.line("return None" if rules.optional else f"raise {writer.constant(nameless)}()")
            version = self._alternatives(rules.version, "record")
            removed = self._alternatives(rules.removed, "record")
            writer.line("fields = {}; held = ()" if self._holding else "fields = {}")
            with writer.block(f"if {removed} is not True:"):
                self._fields(rules, "record")
            patient = self._patient(rules, native)
            arguments = {
                "type": writer.constant(rules.record),
                "native_id": native,
                "fields": "fields",
                "operation": f"'remove' if {removed} is True else 'upsert'",
                "patient": patient,
                "source_version": f"None if {version} is NULL else {version}",
                "references": writer.constant(rules.references()),
            }
            made = f"Patch({', '.join(f'{name}={value}' for name, value in arguments.items())})"
            if self._holding:
                writer.line(f"if held: return {writer.constant(partial)}({made}, held)")
            writer.line(f"return {made}")
        return writer.function("patch")

    def _patient(self, rules: RecordRules, native: str) -> str:
        """An expression with whom the record is about."""
        if not rules.patient:
            return f"{self._writer.constant(self._closures.patient(rules))}(record, {native}, fields)"
        found = self._alternatives(rules.patient, "record")
        self._writer.line(f"if type({found}) is Ref: {found} = {found}.native_id")
        return f"None if {found} is NULL else {found}"

    def _fields(self, rules: RecordRules, record: str) -> None:
        """The fields of a patch, where deletion is said by None."""
        writer = self._writer
        reads, completes = self._closures.parts(rules.fields)
        for name, several in reads:
            with self._held(name):
                self._field(name, several, record)
        for name, several in completes:
            with writer.block(f"if {writer.constant(name)} not in fields:"), self._held(name):
                self._field(name, several, record)

    def _field(self, name: str, several: Sequence[Rule | Getter], record: str) -> None:
        writer, segments = self._writer, there(several, self._reader, self._writer, record)
        with writer.block(f"if {' or '.join(segments)}:") if segments else nullcontext():
            value = self._several(several, record)
            with writer.block(f"if {value} is not None:"):
                writer.line(f"fields[{writer.constant(name)}] = None if {value} is NULL else {value}")

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        """Where fields are held: one that cannot be read is marked, which costs nothing while all can be."""
        if not self._holding or name in NEVER:
            yield
            return
        writer = self._writer
        with writer.block("try:"):
            yield
        with writer.block(f"except {writer.constant(UNREAD)} as error:"):
            writer.line(f"held += ({writer.constant(hold)}(fields, {writer.constant(name)}, error),)")

    def _alternatives(self, rules: Sequence[Rule], record: str) -> str:
        return self._several([rule for rule in rules if rule.applies_to(self._kind)], record)

    def _several(self, rules: Sequence[Rule | Getter], record: str) -> str:
        """The first rule that says something; a getter among them is a constant that is already converted."""
        writer, result = self._writer, self._writer.fresh()
        if not rules:
            writer.line(f"{result} = None")
        for number, rule in enumerate(rules):
            with self._unless(result if number else None):
                value = self._rule(rule, record) if isinstance(rule, Rule) else f"{writer.constant(rule)}({record})"
                writer.line(f"{result} = {value}")
        return result

    @contextmanager
    def _unless(self, found: str | None) -> Iterator[None]:
        if found is None:
            yield
        else:
            with self._writer.block(f"if {found} is None:"):
                yield

    def _rule(self, rule: Rule, record: str) -> str:
        if rule.each:
            return self._each(rule, record)
        if rule.when is None:
            return self._single(rule, record)
        result = self._writer.fresh()
        self._writer.line(f"{result} = None")
        with self._writer.block(f"if {self._condition(rule, record)}:"):
            self._writer.line(f"{result} = {self._single(rule, record)}")
        return result

    def _condition(self, rule: Rule, record: str) -> str:
        """An expression that is true where the place of ``when`` holds one of ``is``."""
        assert rule.when is not None  # noqa: S101 - only asked for rules with a condition
        return f"{self._writer.constant(among(rule))}({self._read(rule.when, record)})"

    def _single(self, rule: Rule, record: str) -> str:
        if rule.fields:
            return self._object(rule, record)
        if rule.constant or not (rule.join or rule.paths or rule.every):
            return f"{self._writer.constant(self._closures.single(rule))}({record})"
        convert = self._closures.conversion(rule)
        if rule.join:
            reads = ", ".join(self._read(path, record) for path in rule.join)
            joined = self._writer.fresh()
            self._writer.line(
                f"{joined} = {self._writer.constant(join)}({self._writer.constant(rule.separator)}, {reads})"
            )
            return self._converted(rule, "+".join(rule.join), joined, convert)
        if rule.every:
            values = ", ".join(self._leaf(rule, path, record, convert) for path in rule.every)
            return f"{self._writer.constant(listed)}([{values}])"
        result = self._writer.fresh()
        for number, path in enumerate(rule.paths):
            with self._unless(result if number else None):
                self._writer.line(f"{result} = {self._leaf(rule, path, record, convert)}")
        return result

    def _leaf(self, rule: Rule, path: str, record: str, convert: Convert) -> str:
        raw = self._read(path, record)
        if not getattr(self._reader(path), "trimmed", False):
            return self._converted(rule, path, raw, convert)
        if rule.ref is not None and rule.to is rule.table is None:
            value, made = self._writer.fresh(), f"Ref({self._writer.constant(rule.ref)}, {raw})"
            self._writer.line(f"{value} = {raw} if {raw} is None or {raw} is NULL else {made}")
            return value
        return raw if convert is text else self._converted(rule, path, raw, TRIMMED.get(convert, convert))

    def _converted(self, rule: Rule, path: str, raw: str, convert: Convert) -> str:
        writer, where, value = self._writer, absolute(path, self._inside), self._writer.fresh()

        def refuse(trouble: Unconvertible, raw: object) -> InvalidContent:
            return Unread(trouble, rule, where, raw)

        writer.line(f"{value} = {raw}")
        refers = rule.ref is not None and rule.to is rule.table is None
        if convert is text or refers:
            with writer.block(f"if type({value}) is str:"):
                writer.line(f"{value} = {value}.strip() or None")
                if refers:
                    writer.line(f"if {value}: {value} = Ref({writer.constant(rule.ref)}, {value})")
            header = f"elif {value} is not None and {value} is not NULL:"
        else:
            header = f"if {value} is not None and {value} is not NULL:"
        with writer.block(header):
            with writer.block("try:"):
                writer.line(f"{value} = {writer.constant(convert)}({value})")
            with writer.block("except Unconvertible as trouble:"):
                writer.line(f"raise {writer.constant(refuse)}(trouble, {value}) from None")
        return value

    def _read(self, path: str, record: str) -> str:
        """A variable or an expression with what stands in one place."""
        reader = self._reader(path)
        inline = getattr(reader, "inline", None)
        if inline is None:
            return f"{self._writer.constant(reader)}({record})"
        return str(inline(self._writer, record))

    def _reader(self, path: str) -> Getter:
        return self._barred.get(absolute(path, self._inside)) or self._path(path)

    def _object(self, rule: Rule, record: str) -> str:
        writer, found, result = self._writer, self._writer.fresh(), self._writer.fresh()
        deleted = self._writer.fresh()
        reads, completes = self._closures.parts(rule.fields)
        writer.line(f"{found} = {{}}; {deleted} = False")
        for name, several in reads:
            value = self._several(several, record)
            with writer.block(f"if {value} is NULL:"):
                writer.line(f"{deleted} = True")
            with writer.block(f"elif {value} is not None:"):
                writer.line(f"{found}[{writer.constant(name)}] = {value}")
        with writer.block(f"if not {found}:"):
            writer.line(f"{result} = NULL if {deleted} else None")
        with writer.block("else:"):
            for name, several in completes:
                with writer.block(f"if {writer.constant(name)} not in {found}:"):
                    value = self._several(several, record)
                    with writer.block(f"if {value} is not None and {value} is not NULL:"):
                        writer.line(f"{found}[{writer.constant(name)}] = {value}")
            missing = " or ".join(f"{writer.constant(name)} not in {found}" for name in rule.needs)
            writer.line(f"{result} = None if {missing} else {found}" if missing else f"{result} = {found}")
        return result

    def _each(self, rule: Rule, record: str) -> str:
        writer, found, deleted, outside = self._writer, self._writer.fresh(), self._writer.fresh(), self._inside
        writer.line(f"{found} = []; {deleted} = False")
        for path in rule.each:
            repetitions, one = writer.fresh(), writer.fresh()
            self._inside = outside
            writer.line(f"{repetitions} = {self._read(path, record)}")
            self._inside = absolute(path, outside)
            with writer.block(f"if {repetitions} is NULL:"):
                writer.line(f"{deleted} = True")
            with (
                writer.block(f"elif {repetitions} is not None:"),
                writer.block(f"for {one} in {repetitions}:"),
                writer.record(one),
            ):
                if rule.when is not None:
                    with writer.block(f"if not {self._condition(rule, one)}:"):
                        writer.line("continue")
                value = writer.fresh()
                writer.line(f"{value} = {self._single(rule, one)}")
                with writer.block(f"if {value} is NULL:"):
                    writer.line(f"{deleted} = True")
                with writer.block(f"elif {value} is not None:"):
                    writer.line(f"{found}.append({value})")
        self._inside = outside
        return f"({found} or (NULL if {deleted} else None))"
