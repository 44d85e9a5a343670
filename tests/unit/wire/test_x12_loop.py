from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidConfiguration
from gateway.mapping.generator import Writer
from gateway.wire.x12_loop import Loop, name_of, path

LOOP = Loop(
    {
        "CLP": [["CLP", "A1", "", "10"]],
        "NM1[QC]": [["NM1", "QC", "1", "DOE"], ["NM1", "QC", "1", "ROE", "RICHARD"]],
        "SVC": [["SVC", "HC:97110::GP", "5"]],
    },
    ":",
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("CLP-01", "A1"),
        ("CLP-02", None),
        ("CLP-03", "10"),
        ("CLP-09", None),
        ("MOA-03", None),
        ("NM1[QC]-03", "DOE"),
        ("NM1[QC]-04", "RICHARD"),
        ("NM1[IL]-03", None),
        ("SVC-01.1", "HC"),
        ("SVC-01.2", "97110"),
        ("SVC-01.3", None),
        ("SVC-01.4", "GP"),
        ("SVC-01.9", None),
    ],
)
def test_a_path_reads_one_element(text, value):
    """The first segment of that name that holds something answers; empty and absent are the same."""
    assert path(text)(LOOP) == value


def test_a_path_without_element_repeats():
    """Every segment of the name is a loop of its own, read by relative paths."""
    found = path("NM1[QC]")(LOOP)
    assert [path(".03")(one) for one in found] == ["DOE", "ROE"]
    assert path(".01.2")(path("SVC")(LOOP)[0]) == "97110"
    assert path("CAS")(LOOP) is None


@pytest.mark.parametrize("text", ["", "-", ".", "clp-01", "CLP-1", "CLP.01", "-03", "CLP-01.0", "CLP-1-2", "NM1-03"])
def test_a_path_that_is_none_is_a_configuration_error(text):
    """A slip in a mapping file is told when it is loaded."""
    with pytest.raises(InvalidConfiguration):
        path(text)


def test_a_qualifier_is_asked_for_where_it_tells_segments_apart():
    """CLP[A] names no segment, REF alone names too many."""
    for text in ("CLP[A]-01", "REF-02", "DTM"):
        with pytest.raises(InvalidConfiguration):
            path(text)
    assert name_of(["REF", "6R", "1"]) == "REF[6R]"
    assert name_of(["CLP", "6R"]) == "CLP"


SEGMENT = st.lists(st.sampled_from(["", "A", " B ", "HC:97110", "HC::GP:", ":"]), max_size=4)


@given(st.lists(SEGMENT, max_size=3), st.lists(SEGMENT, max_size=3))
def test_the_inlined_reading_is_the_readers(clp, nm1):
    """Whatever a loop holds: segments that repeat, that are short, whose first says nothing, or that are absent."""
    segments = {"CLP": [["CLP", *one] for one in clp], "NM1[QC]": [["NM1", "QC", *one] for one in nm1]}
    loop = Loop({name: found for name, found in segments.items() if found}, ":")
    for text in ("CLP-01", "CLP-03", "CLP-02.1", "CLP-02.3", "NM1[QC]-02", "NM1[QC]-04", "REF[6R]-02"):
        writer = Writer()
        with writer.record("record"):
            writer.line(f"return {path(text).inline(writer, 'record')}")
        assert writer.function("read")(loop) == path(text)(loop), text
