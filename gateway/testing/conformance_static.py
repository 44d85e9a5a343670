"""Rules that are judged on values alone: what is declared, how errors read, how fast messages are understood."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, get_args

import msgspec
from pydantic import BaseModel, ValidationError

from gateway import model
from gateway.errors import RejectMessage
from gateway.flow.source import Source
from gateway.model.exchange import Finding, Item
from gateway.model.patch import Normalized
from gateway.testing.conformance import Result, judged, not_run
from gateway.testing.conformance_golden import parts
from gateway.testing.conformance_subject import Subject

FLOOR = 500.0
"""Messages in a second of one core."""
_SPEED_SECONDS = 0.4
_SPOILED = 300
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_STEPS = re.compile(r"^## Set up[^\n]*\n(?:(?!## ).*\n)*?1\. (?:(?!## ).*\n)*?2\. ", re.MULTILINE)
_GAPS = re.compile(r"^## Limits and (known )?gaps\n(?:(?!## ).*\n)*?- ", re.MULTILINE)
_NOISE = (b"", b"\0" * 64, b"{", b"[[[[", b"<html>Back soon</html>", bytes(range(256)), b"MSH|", b"ISA*", b"a,b\n1")


def capabilities_rule(subject: Subject, items: Sequence[Item], source: Source) -> Result:
    """capabilities-declared."""
    return judged("capabilities-declared", _undeclared(subject, items, source))


def _undeclared(subject: Subject, items: Sequence[Item], source: Source) -> Iterator[str]:
    info = subject.adapter.info
    if len(info.summary.split()) < 3:
        yield "the summary says nothing"
    if not info.streams:
        yield "no stream is declared"
    if not info.gaps:
        yield "no gap is declared: every system leaves something out"
    declared = {kind for stream in info.streams for kind in stream.types}
    for kind in sorted(declared - set(model.TYPES)):
        yield f"{kind} is no record type"
    made = {patch.type for result in _understood(source, items) for patch in result.patches}
    for kind in sorted(made - declared):
        yield f"{kind} comes and is not declared"
    if subject.polled and any(stream.mode == "poll" for stream in info.streams) and info.rate is None:
        said = subject.quality.get("rules", {}).get("stays-within-rate-budget")
        if not isinstance(said, dict):
            yield "it polls and declares no rate budget"


def docs_rule(subject: Subject) -> Result:
    """docs-page: the page that ``docs`` of the quality table names, in the folder where the suite is run."""
    page = str(subject.quality.get("docs", ""))
    if not page:
        return judged("docs-page", ["quality.toml names no page under docs"])
    if page.startswith("https://"):
        return not_run("docs-page", "the page is on the web, and the suite opens no connection to it")
    file = Path(page)
    if not file.parent.is_dir():
        return not_run("docs-page", "the suite runs apart from the folder that holds the docs")
    text = file.read_text("utf-8") if file.is_file() else ""
    return judged("docs-page", _lacking(page, text, subject.name))


def _lacking(page: str, text: str, name: str) -> Iterator[str]:
    if not text:
        yield f"{page} is not there"
    elif len(text.split()) < 120:
        yield f"{page} is too short to set anything up by"
    elif f'adapter = "{name}"' not in text and f"adapter = '{name}'" not in text:
        yield f"{page} shows no source with this adapter"
    elif not _STEPS.search(text):
        yield f"{page} has no section 'Set up' with numbered steps"
    elif not _GAPS.search(text):
        yield f"{page} has no section 'Limits and gaps'"


def errors_rule(subject: Subject) -> Result:
    """clear-errors."""
    return judged("clear-errors", _unclear(subject))


def _unclear(subject: Subject) -> Iterator[str]:
    config = subject.adapter.config
    try:
        config.model_validate({"no-such-setting": "x"})
    except ValidationError:
        pass
    else:
        yield "a setting that does not exist is taken without a word"
    yield from (f"the setting {name} is not explained" for name in _silent(config))
    source = subject.bound()
    for noise in (*_NOISE, *_shortened(subject)):
        try:
            if noise in _NOISE[:2] and subject.adapter.recognize(noise):
                yield "it takes noise for its own file"
            found = list(source.adapter.cut([noise], source.config))
        except RejectMessage:
            continue
        except Exception as error:  # noqa: BLE001 - that anything else is raised is what is looked for
            yield f"broken input makes cut raise {type(error).__name__}"
        else:
            told = [part for part in found if isinstance(part, Finding)]
            if any(not _WORD.fullmatch(part.reason) or not part.what for part in told):
                yield "a finding has no reason"


def _silent(config: type[BaseModel], within: str = "") -> Iterator[str]:
    for name, field in config.model_fields.items():
        if len((field.description or "").split()) < 2:
            yield within + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _silent(kind, f"{within}{name}.")


def _shortened(subject: Subject) -> Iterator[bytes]:
    for case in subject.golden():
        data = case.read_bytes()
        yield from (data[: len(data) * part // 5] for part in range(1, 5))


# --- what cannot be read ---------------------------------------------------------------------------------------------


def quarantine_rule(source: Source, *groups: Sequence[Item]) -> tuple[Result, list[str]]:
    """quarantine-quality, and the texts of all errors on the way, in which no patient's value may stand.

    Each group is spoiled by itself: golden messages are the same each time, those of a living clinic are not.
    """
    if not any(groups):
        return not_run("quarantine-quality", "there are no messages to spoil"), []
    texts: list[str] = []
    faults = [fault for items in groups if items for fault in _silent_refusals(source, items, texts)]
    return judged("quarantine-quality", faults or ([] if texts else ["nothing that is broken is refused"])), texts


def _silent_refusals(source: Source, items: Sequence[Item], texts: list[str]) -> Iterator[str]:
    random = Random(1)  # noqa: S311 - the same damage each time
    for _ in range(_SPOILED):
        item = random.choice(items)
        try:
            result: object = source.normalize(spoiled(item.body, random), item.context)
            if not isinstance(result, Normalized):
                yield f"a message becomes {type(result).__name__}, which is not what a message becomes"
        except RejectMessage as error:
            texts.append(str(error))
            for name, text in (("place", error.where), ("cure", error.fix)):
                if not text:
                    yield f"a message refused for {error.reason} has no {name}"
            if not _WORD.fullmatch(error.reason):
                yield "a refusal has no reason in one word"
        except Exception as error:  # noqa: BLE001 - that anything else is raised is what is looked for
            yield f"a broken message makes it raise {type(error).__name__}"


def spoiled(body: bytes, random: Random) -> bytes:
    """The message with one kind of damage: cut, a hole, a changed byte, a digit made a letter, a doubled stretch."""
    size = len(body)
    at, length = random.randrange(max(1, size)), random.randrange(1, 40)
    match random.randrange(5):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + body[at + length :]
        case 2:
            return body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
        case 3:
            digits = [place for place, byte in enumerate(body) if 48 <= byte <= 57]
            place = random.choice(digits) if digits else 0
            return body[:place] + b"x" + body[place + 1 :]
        case _:
            return body[:at] + body[at : at + length] + body[at:]


def canaries(fields: Any) -> Iterator[str]:
    """Values of a patient long enough to be told from chance: names, numbers, addresses."""
    if isinstance(fields, str):
        if len(fields) >= 6 and not fields.isalpha():
            yield fields
    elif isinstance(fields, dict):
        for value in fields.values():
            yield from canaries(value)
    elif isinstance(fields, list):
        for value in fields:
            yield from canaries(value)


# --- purity and speed ------------------------------------------------------------------------------------------------


def pure(source: Source, again: Source, items: Sequence[Item]) -> Iterator[str]:
    """Faults of a function that should give the same for the same bytes, in whatever order it is asked."""
    for item in items[:500]:
        first = outcome(source.normalize, item)
        if first != outcome(source.normalize, item):
            yield f"the same message of kind {item.kind} means something else the second time"
            return
    if [outcome(source.normalize, item) for item in items[:500]] != [
        outcome(again.normalize, item) for item in reversed(items[:500])
    ][::-1]:
        yield "what a message means depends on what came before"


def outcome(normalize: Callable[[bytes, bytes], Normalized], item: Item) -> Any:
    """What a message means, or why it means nothing, as plain values."""
    try:
        return msgspec.to_builtins(normalize(item.body, item.context))
    except Exception as error:  # noqa: BLE001 - what it raises is compared, and told by other rules
        return f"{type(error).__name__} {error}"


def _understood(source: Source, items: Sequence[Item]) -> Iterator[Normalized]:
    for item in items:
        try:
            result: object = source.normalize(item.body, item.context)
        except Exception:  # noqa: BLE001, S112 - other rules tell what it raises
            continue
        if isinstance(result, Normalized):
            yield result


def speed_rule(subject: Subject, items: Sequence[Item]) -> Result:
    """speed-floor: in time of the processor, so that a busy machine is no excuse and no cause."""
    source = subject.bound()
    material = list(items) or [part for part in parts(subject) if isinstance(part, Item)]
    if not material:
        return not_run("speed-floor", "there are no messages to measure with")
    outcome(source.normalize, material[0])
    begin, done = time.process_time(), 0
    while (spent := time.process_time() - begin) < _SPEED_SECONDS:
        outcome(source.normalize, material[done % len(material)])
        done += 1
    return judged("speed-floor", [] if done / spent >= FLOOR else [f"fewer than {FLOOR:.0f} messages in a second"])
