"""What the simulated payer answers keeps the guides, and is the same for a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

pytest.importorskip("pyx12", reason="the extra x12 is not installed")

from gateway.model.coverage import Coverage
from gateway.model.exchange import Finding
from gateway.model.organization import Payer
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


def _unbalanced(data: bytes) -> Iterator[str]:
    """What does not add up in an 835, computed without any reader of ours."""
    rows = [row.split("*") for row in data.decode().split("~")]
    total = Decimal(0)
    claim, rest, line = "", Decimal(0), Decimal(0)
    for row in [*rows, ["CLP", "end", "", "0", "0"]]:
        if row[0] in ("CLP", "SVC") and line:
            yield f"line of {claim}"
        if row[0] == "CLP":
            if rest:
                yield claim
            claim, rest, line = row[1], Decimal(row[3]) - Decimal(row[4]), Decimal(0)
            total += Decimal(row[4])
        elif row[0] == "SVC":
            line = Decimal(row[2]) - Decimal(row[3])
        elif row[0] == "CAS":
            adjusted = sum(Decimal(amount) for amount in row[3::3])
            line, rest = line - adjusted, rest - adjusted
        elif row[0] == "PLB":
            total -= Decimal(row[4])
    if total != Decimal(next(row[2] for row in rows if row[0] == "BPR")):
        yield "BPR02"


@pytest.mark.parametrize("seed", range(3))
def test_acknowledgements_and_remittances_are_valid(seed):
    """pyx12 finds nothing in 999, 277CA and 835, and every 835 adds up at line, claim and transaction."""
    payer = SimulatedPayer(seed)
    statuses: Counter[str] = Counter()
    for start in range(0, 120, 40):
        for number in range(start, start + 40):
            replies = payer.take(billed(1000 + number), AT)
            if number % 40 == 0:
                assert [validate(one) for one in (*replies.acknowledgements, *replies.answers)] == [[], []]
        remittance = payer.remit(AT)
        assert validate(remittance) == []
        assert list(_unbalanced(remittance)) == []
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


def test_the_payer_answers_about_its_own_member():
    """A further payer's subscriber stands later in the claim: the remittance names who was insured here."""
    second = Coverage(member_id="SEC0001", priority=2, relationship="spouse", subscriber_name="Other, Olga", payer="p2")
    one = msgspec.structs.replace(submission(), other_policies=(second,))
    parties = msgspec.structs.replace(PARTIES, later_payers=(Payer(name="Second Plan", payer_id="SEC01"),))
    payer = SimulatedPayer(1)
    payer.take(file(claim(one, parties, AT)), AT)
    remittance = payer.remit(AT)
    assert b"*MI*MBR0001~" in remittance
    assert b"SEC0001" not in remittance
