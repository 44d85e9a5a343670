"""What the simulated payer answers keeps the guides, and is the same for a seed."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

pytest.importorskip("pyx12", reason="the extra x12 is not installed")

from gateway.model.exchange import Finding
from gateway.wire.x12_835_cut import CLAIM as CLAIM_KIND
from gateway.wire.x12_cut import cut
from gateway_clearinghouse.simulator_payer import SimulatedPayer
from gateway_clearinghouse.translate_837 import claim
from gateway_x12.strict import validate
from tests.unit.plugins.clearinghouse.submissions import AT, CLAIM, PARTIES, submission
from tests.unit.plugins.clearinghouse.written import file


def billed(number: int) -> bytes:
    one = msgspec.structs.replace(CLAIM, control_number=f"PCN-{number}")
    document = claim(submission(claim=one), PARTIES, AT)
    data = file(document)
    return data.replace(b"000000201", b"%09d" % number)


@pytest.mark.parametrize("seed", range(3))
def test_acknowledgements_and_remittances_are_valid(seed):
    """pyx12 finds nothing in 999, 277CA and 835, and our reader finds every 835 balanced."""
    payer = SimulatedPayer(seed)
    statuses: Counter[str] = Counter()
    for start in range(0, 120, 40):
        for number in range(start, start + 40):
            replies = payer.take(billed(1000 + number), AT)
            if number % 40 == 0:
                assert [validate(one) for one in (*replies.acknowledgements, *replies.answers)] == [[], []]
        remittance = payer.remit(AT)
        assert validate(remittance) == []
        parts = list(cut([remittance], 1 << 20))
        assert not [part for part in parts if isinstance(part, Finding)]
        statuses.update(part.body.split(b"*")[2].decode() for part in parts if part.kind == CLAIM_KIND)
    assert {"1", "22"} <= statuses.keys()
    assert SimulatedPayer(seed).take(billed(1), AT) == SimulatedPayer(seed).take(billed(1), AT)


def test_a_repeat_is_refused_and_counted():
    """The same control number again is TA1 025, so a test can see that nobody asked twice."""
    payer = SimulatedPayer(1)
    payer.take(billed(1), AT)
    again = payer.take(billed(1), AT)
    assert b"*R*025~" in again.acknowledgements[0]
    assert (payer.repeats, len(payer.claims)) == (1, 1)
