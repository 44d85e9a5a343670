"""Every acknowledgement leaves after the sync that covers it, as the kernel saw it.

That the check can fail is shown by a build that acknowledges before the commit.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.power import Recorded, record
from tests.faults.recording import told_too_early

LOG = "gateway.db-wal"


def test_every_acknowledgement_follows_its_sync(recorded: Recorded) -> None:
    """Between a message's arrival and its acknowledgement the log of the store was written and synced."""
    early, told = told_too_early(recorded.events, LOG)
    assert told >= 300
    assert early == []


@pytest.mark.timeout(600)
def test_order_finds_a_build_that_acknowledges_too_early(tmp_path: Path) -> None:
    """The same check names acknowledgements of a build that answers before it commits."""
    broken = record(tmp_path, 60, program=str(Path(__file__).with_name("early_ack.py")))
    early, told = told_too_early(broken.events, LOG)
    assert told >= 60
    assert early != []
