"""What added fields are made of: told for every field, and truly what they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from gateway.errors import RejectMessage
from gateway.mapping import Mapping, adding
from gateway.model.exchange import Item
from gateway.model.patch import Patch
from gateway.testing.conformance_subject import find_subject
from gateway_x12.plugin import X12Adapter
from gateway_x12.translate_trace import PLACE, Segments

ADAPTER = X12Adapter()
MAPPING = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
NORMALIZE = ADAPTER.normalizer(ADAPTER.config(), MAPPING)
KINDS = {"835 claim", "835 remittance", "837 claim", "271 benefit", "278 review", "277 status", "999 acknowledgement"}


@cache
def golden() -> tuple[Item, ...]:
    """The shipped golden messages."""
    files = [file.read_bytes() for file in find_subject("x12").golden()]
    return tuple(one for file in files for one in ADAPTER.cut([file], ADAPTER.config()) if isinstance(one, Item))


def additions() -> Iterator[tuple[str, str, str, adding.Addition]]:
    """Every addition of every file: file, record, top field, and itself."""
    for rules in MAPPING._parsed.records:
        for name, one in rules.added.items():
            pending = [one]
            while pending:
                next_ = pending.pop()
                pending += next_.fields.values()
                yield rules.file, rules.record, name, next_


def test_golden_messages_are_of_every_kind_and_make_most_added_fields():
    """What is told below is told of something: each kind is there, and nearly every addition was made once."""
    assert {one.kind for one in golden()} >= KINDS
    made = {(patch.type, name) for one in golden() for patch in patches(one) for name in patch.fields}
    never = {(record, name) for _, record, name, one in additions() if one.key != "added"} - made
    assert never == set()


def patches(item: Item) -> tuple[Patch, ...]:
    return NORMALIZE(item.body, item.context).patches


def test_every_place_can_be_read():
    """A place of a shipped mapping file is one that the adapter reads."""
    for file, _, _, one in additions():
        for path in one.paths:
            assert PLACE.fullmatch(path), (file, one.key, path)


def test_every_field_of_every_message_is_explained():
    """Each field that is made names the rule that made it, and what stood at the places it is made of."""
    fields = 0
    for item in golden():
        traced = MAPPING.traced()
        for patch in ADAPTER.normalizer(ADAPTER.config(), traced)(item.body, item.context).patches:
            for name, value in patch.fields.items():
                tops = [step for step in traced.steps if step.record == patch.type and top(step.field) == name]
                made = [step for step in tops if step.result is not None]
                assert made or value is None or value == [], (item.kind, patch.type, name)
                placed = [step for step in made if step.path and step.raw is not None]
                constant = all(step.rule_key.startswith("fields.") for step in made)
                assert placed or constant or value in (None, []), (item.kind, patch.type, name, made)
                fields += 1
    assert fields > 300


def top(field: str) -> str:
    return field.partition(".")[0].partition("[")[0]


READ = 'from = "REF[1L]-02"'


@pytest.mark.parametrize(("rules", "given"), [
    (f"[fields.group_number]\n{READ}\ndefault = 'none'", {"none"}),
    (f"[[fields.group_number]]\n{READ}\n[[fields.group_number]]\nvalue = 'none'", {"none"}),
    (f"[fields.group_number]\n{READ}\ntable = 'claim_status'", {None}),
    (f"[fields.group_number]\n{READ}\nwhen = 'CLP-01'", {None}),
    ("[fields.group_number]\nfrom = ['REF[1L]-02', 'CLP-07']", {"HMC92", "HMC90", "HMC91"}),
])  # fmt: skip
def test_what_is_not_there_is_passed_over_and_nothing_else(tmp_path, rules, given):
    """Rules are not asked where their segment is absent, unless they say something of that: both ways agree."""
    (tmp_path / "claim_payment.toml").write_text(rules)
    mapping = Mapping.load(ADAPTER.mappings, tmp_path, ADAPTER.path).bind(zone="America/Chicago")
    found = set()
    for item in golden():
        fast, traced = (
            ADAPTER.normalizer(ADAPTER.config(), one)(item.body, item.context).patches
            for one in (mapping, mapping.traced())
        )
        assert fast == traced
        found |= {one.fields.get("group_number") for one in fast if one.type == "ClaimPayment"}
    assert found >= given
    assert given == found or len(given) > 1


def test_a_line_is_explained_by_its_own_segments():
    """The third line's amounts are those of the third SVC, with what follows it."""
    item = next(one for one in golden() if one.kind == "835 claim" and one.body.count(b"SVC*") >= 3)
    traced = MAPPING.traced()
    (claim,) = [
        one
        for one in ADAPTER.normalizer(ADAPTER.config(), traced)(item.body, item.context).patches
        if one.type == "ClaimPayment"
    ]
    third = [text for text in item.body.decode().split("~") if text.lstrip().startswith("SVC*")][2].split("*")
    (step,) = [one for one in traced.steps if one.field == "lines[2].paid"]
    assert (step.path, step.raw, step.result) == ("SVC-03", third[3], claim.fields["lines"][2]["paid"])
    assert (step.rule_file, step.rule_key) == ("x12/claim_payment.toml", "added.lines.fields.paid")


def test_nothing_else_makes_an_added_field():
    """Take away any one element of a message: only fields change that name its place among those they are made of."""
    judged, missed = 0, set()
    for item in golden():
        before = told(item.body, item.context)
        for place, body in without_one(item):
            after = told(body, item.context)
            if after is None or [key for key, _ in after] != [key for key, _ in before or []]:
                continue  # then it is another record
            for ((type_, _), old), (_, new) in zip(before or [], after, strict=True):
                for name in old.keys() | new.keys():
                    known = places(item.kind, type_).get(name)
                    if known is None or old.get(name) == new.get(name):
                        continue
                    judged += 1
                    if not covers(known, place):
                        missed.add((item.kind, type_, name, place[1].strip(), place[0]))
    assert missed == set()
    assert judged > 300


def told(body: bytes, context: bytes) -> list[tuple[tuple[str, str], dict]] | None:
    try:
        return [((one.type, one.native_id), one.fields) for one in NORMALIZE(body, context).patches]
    except RejectMessage:
        return None


def without_one(item: Item) -> Iterator[tuple[list[str], bytes]]:
    """The message without one of its elements, for each: the segment it was taken from, with its number in front."""
    segments = [text.split("*") for text in item.body.decode().split("~")]
    for at, one in enumerate(segments):
        for number in range(1, len(one)):
            spoiled = [*segments[:at], [*one[:number], "", *one[number + 1 :]], *segments[at + 1 :]]
            yield [str(number), *one], "~".join("*".join(each) for each in spoiled).encode()


@cache
def places(kind: str, type_: str) -> dict[str, frozenset[str]]:
    """By added field, every place that its file names for it or for what it holds."""
    found: dict[str, frozenset[str]] = {}
    for rules in MAPPING._parsed.records:
        if rules.record == type_ and kind in rules.kinds:
            for name, one in rules.added.items():
                below = {path for inner in one.fields.values() for path in inner.paths}
                ruled = {path for rule in rules.fields.get(name, ()) for path in rule.reads()}
                if one.key != "added":
                    found[name] = frozenset({*one.paths, *below, *ruled, *([f"{one.each}-00"] if one.each else [])})
    return found


SELECTING = {
    "EB": {1, 2, 3, 6, 9, 11, 12}, "HSD": {1, 5}, "DTP": {1, 2}, "DTM": {1}, "REF": {1}, "QTY": {1}, "LQ": {1},
    "AMT": {1}, "NM1": {1, 8}, "TRN": {1}, "HL": {3}, "HCR": {1}, "SV1": {3}, "III": {1, 2},
}  # fmt: skip
"""Elements that say which segments are meant, or what an element beside them is: qualifiers, units, forms."""


def covers(known: frozenset[str], place: list[str]) -> bool:
    """Whether an element stands at one of these places, or says which segments they are."""
    number, id, first = int(place[0]), place[1].strip(), place[2]
    for path in known:
        named, qualifier, wanted, _ = PLACE.fullmatch(path).groups()
        if named != id or (qualifier and qualifier != first and id not in SELECTING):
            continue
        if wanted is None or int(wanted) == number or number in SELECTING.get(id, ()):
            return True
    return False


@pytest.mark.parametrize(("path", "expected"), [
    ("SVC-02", ["150", "90"]), ("SVC-01.2", ["97110", "97140"]), ("CAS[PR]", ["CAS*PR*2*20"]), ("GS-08", ["X"]),
    ("CAS-09", []), ("CAS[OA]", []),
])  # fmt: skip
def test_a_place_is_read_from_the_message_and_else_from_what_stands_above_it(path, expected):
    """All segments of that id in order; those of one qualifier; the envelope's where the message has none."""
    isa = "ISA*00*          *00*          *ZZ*A              *ZZ*B              *260714*0930*^*00501*000000001*0*T*:~"
    context = f"{isa}GS*HP*A*B*20260714*0930*1*T*X~".encode()
    body = b"CLP*1~SVC*HC:97110*150~CAS*CO*45*130~CAS*PR*2*20~SVC*HC:97140*90~"
    message = Segments.of(body, context)
    assert message.read(path) == expected
    assert [part.read("SVC-02") for part in message.each("SVC")] == [["150"], ["90"]]
