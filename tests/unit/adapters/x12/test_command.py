"""``gateway x12``: validate, show and split."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gateway_x12.command import LEVELS, app
from gateway_x12.simulator import file_835
from tests.unit.adapters.x12.remittances import interchange


def run(*arguments: object):
    """The exit code and what was printed as JSON."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def file(tmp_path):
    """Writes bytes to a file."""

    def write(data: bytes):
        path = tmp_path / "in.x12"
        path.write_bytes(data)
        return path

    return write


def test_a_valid_file_is_valid_and_says_how_far_that_goes(file):
    """Every SNIP type is named with how far it is checked, those that are not among them."""
    code, found = run("validate", file(file_835(3, 12)))
    assert (code, found["valid"], found["findings"]) == (0, True, [])
    assert list(found["levels"]) == list(LEVELS)
    assert found["levels"]["6 service lines"] == "not checked"


def test_a_cent_a_count_and_a_code_are_all_told_by_their_places(file):
    """Arithmetic, envelope and guide, each with its rule."""
    data = file_835(3, 12).replace(b"SE*", b"SE*9", 1).replace(b"*C*ACH*", b"*C*QQQ*", 1)
    head, _, rest = data.partition(b"CLP*")
    parts = rest.split(b"*")
    parts[2] = parts[2] + b"1" if b"." in parts[2] else parts[2] + b".01"
    code, found = run("validate", file(head + b"CLP*" + b"*".join(parts)))
    reasons = {one["reason"] for one in found["findings"]}
    assert code == 1
    assert {"count-mismatch", "out-of-balance", "element-7"} <= reasons
    assert all(one["where"] for one in found["findings"])


def test_a_guide_without_map_is_a_note_and_no_mistake(corpora):
    """pyx12 has no 271: the file is read, and told to be unchecked."""
    code, found = run("validate", corpora / "x12/synthetic-pt/271_pt_active.x12")
    assert (code, found["valid"], len(found["unchecked"])) == (0, True, 1)


def test_the_tree_holds_every_segment_with_its_depth(file):
    """Lines stand below their claim, claims below the transaction; unreadable text is shown as such."""
    body = "CLP*A*1*10*10~NM1*QC*1*DOE*JANE****MI*M1~SVC*HC:97110*10*10~DTM*472*20260701~"
    code, found = run("show", file(b"junk\n" + interchange(body, paid="10")))
    depth = {one["text"].partition("*")[0]: one["depth"] for one in found if one["text"]}
    assert code == 0
    assert (depth["ISA"], depth["GS"], depth["ST"], depth["CLP"], depth["SVC"], depth["DTM"]) == (0, 1, 2, 4, 5, 6)
    assert [one["finding"] for one in found if one["finding"]] == ["text outside any interchange (not-x12)"]


def test_parts_are_whole_interchanges_that_read_like_the_file(file, tmp_path):
    """Each transaction is a file of its own that validates; together they hold every segment; none is overwritten."""
    path, to = file(file_835(5, 30, transactions=3)), tmp_path / "parts"
    code, found = run("split", path, "--to", to)
    assert (code, [one["set"] for one in found["written"]]) == (0, ["835", "835", "835"])
    for part in sorted(to.iterdir()):
        assert run("validate", part)[1]["findings"] == []
        assert oct(part.stat().st_mode)[-3:] == "600"
    inside = b"".join(part.read_bytes() for part in sorted(to.iterdir()))
    assert inside.count(b"CLP*") == path.read_bytes().count(b"CLP*")
    again = CliRunner().invoke(app, ["split", str(path), "--to", str(to)])
    assert again.exception is not None
    assert inside == b"".join(part.read_bytes() for part in sorted(to.iterdir()))


def test_a_part_that_was_cut_off_is_told(file, tmp_path):
    """A file that ends in a transaction gives what there is and a finding."""
    code, found = run("split", file(file_835(5, 10)[:1500]), "--to", tmp_path / "parts")
    assert code == 1
    assert len(found["written"]) == 1
    assert "a transaction has no trailer" in found["findings"]
