"""Control numbers never change and never repeat, whatever happens between them."""

from __future__ import annotations

import errno
import os

import pytest

from gateway.errors import InvalidConfiguration
from gateway.model import encode
from gateway.model.organization import Payer
from gateway.wire.x12_write import MAX_CONTROL
from gateway_clearinghouse.sink_memory import Memory


def test_a_key_has_one_control_number_for_ever(tmp_path):
    """Asked again, also by the next process, it is the same; another key has another."""
    memory = Memory(tmp_path / "memory")
    first, second = memory.control("a"), memory.control("b")
    assert first != second
    assert memory.control("a") == first
    memory.close()
    again = Memory(tmp_path / "memory")
    assert (again.control("b"), again.control("a")) == (second, first)
    assert again.control("c") not in {first, second}
    again.close()


def test_a_refused_number_is_used_up(tmp_path):
    """A refused delivery has another number that nothing had before, also for the next process."""
    memory = Memory(tmp_path / "memory")
    first, second = memory.control("a"), memory.control("b")
    memory.renumber("a")
    third = memory.control("a")
    memory.close()
    again = Memory(tmp_path / "memory")
    assert again.control("a") == third
    assert len({first, second, third, again.control("c")}) == 4
    again.close()


def test_numbers_begin_again_after_nine_digits(tmp_path):
    """After 999,999,999 comes 1: the standard has no tenth digit."""
    (tmp_path / "memory").write_text(f'{{"key":"last","control":{MAX_CONTROL}}}\n')
    memory = Memory(tmp_path / "memory")
    assert memory.control("next") == 1
    memory.close()


def test_a_line_that_a_crash_cut_was_never_acted_on(tmp_path):
    """The torn end is dropped and written over; damage before it stops the route."""
    path = tmp_path / "memory"
    path.write_bytes(b'{"key":"a","control":7}\n{"key":"b","cont')
    memory = Memory(path)
    assert (memory.control("a"), memory.control("b")) == (7, 8)
    memory.close()
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(InvalidConfiguration, match="damaged"):
        Memory(path)


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    """A line that the disk took in part is not there: the next one is whole, and the next start reads both."""
    memory = Memory(tmp_path / "memory")
    first = memory.control("a")

    def torn(descriptor, body):
        os.write(descriptor, body[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("gateway.transport.locked_lines.write_all", torn)
        with pytest.raises(OSError, match="No space"):
            memory.control("b")
    second = memory.control("b")
    memory.close()
    again = Memory(tmp_path / "memory")
    assert (again.control("a"), again.control("b")) == (first, second)
    again.close()


def test_the_directory_keeps_the_newest_state(tmp_path):
    """A payer that was corrected is found as corrected, after a restart too."""
    memory = Memory(tmp_path / "memory")
    memory.keep("Payer", "p", encode(Payer(name="Old")))
    memory.keep("Payer", "p", encode(Payer(name="New")))
    memory.note_sent("document", "digest")
    memory.close()
    again = Memory(tmp_path / "memory")
    assert again.find(Payer, "p") == Payer(name="New") == again.only(Payer)
    assert (again.sent("document"), again.sent("other")) == ("digest", None)
    assert again.find(Payer, None) is None
    again.close()
