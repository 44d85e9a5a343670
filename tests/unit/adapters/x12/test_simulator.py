"""Generated remittances balance, and no cent goes astray unseen."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_x12.simulator import Marks, file_835
from tests.unit.adapters.x12.remittances import read

CENT = Decimal("0.01")
FILES = st.builds(file_835, st.integers(0, 10**6), st.integers(0, 12), transactions=st.integers(1, 3))


def amounts(data: bytes) -> list[tuple[int, int]]:
    """Where amounts of the three equations stand: (segment, element)."""
    places = []
    for at, segment in enumerate(data.decode().split("~\n")):
        elements = segment.split("*")
        wanted = {
            "BPR": [2], "CLP": [3, 4], "SVC": [2, 3], "CAS": range(3, len(elements), 3),
            "PLB": range(4, len(elements), 2),
        }.get(elements[0], ())  # fmt: skip
        places += [(at, number) for number in wanted]
    return places


@given(FILES)
@settings(max_examples=30, deadline=None)
def test_what_the_simulator_pays_balances(data):
    """Every level of every remittance balances, whatever the mix of claims."""
    remittances, claims = read(data)
    assert all(one.balanced and one.balance.line and one.balance.claim and not one.difference for one in remittances)
    assert all(one.claim_balanced and one.line_balanced and not one.difference for one in claims)
    assert sum(one.claim_count for one in remittances) == len(claims)


@given(st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_every_cent_that_is_changed_is_caught_and_located(seed, data):
    """One cent more at any amount of the equations: exactly the levels it belongs to say so, at the right place."""
    text = file_835(seed, 4).decode()
    at, number = data.draw(st.sampled_from(amounts(text.encode())))
    segments = [segment.split("*") for segment in text.split("~\n")]
    segments[at][number] = str(Decimal(segments[at][number]) + CENT)
    before = [segment[0] for segment in segments[: at + 1]]
    (remittance,), claims = read("~\n".join("*".join(segment) for segment in segments).encode())
    id = segments[at][0]

    assert remittance.balanced == (id not in {"BPR", "PLB"} and (id, number) != ("CLP", 4))
    assert remittance.difference == {"BPR": CENT, "PLB": CENT}.get(id, -CENT if (id, number) == ("CLP", 4) else 0)
    claim_off = id in {"CLP", "CAS"}
    assert remittance.balance.claims_off == claim_off
    assert remittance.balance.lines_off == (id in {"SVC", "CAS"})
    assert [n for n, claim in enumerate(claims, 1) if not claim.claim_balanced] == [before.count("CLP")] * claim_off
    if id in {"SVC", "CAS"}:
        line = list(reversed(before)).index("CLP")
        number_of_line = before[len(before) - line :].count("SVC")
        claim = claims[before.count("CLP") - 1]
        assert not claim.line_balanced
        assert [n for n, one in enumerate(claim.lines, 1) if one.difference] == [number_of_line]
        assert abs(claim.lines[number_of_line - 1].difference) == CENT


def test_the_same_seed_gives_the_same_file_in_other_delimiters():
    """Delimiters change how a file looks and nothing of what it says."""
    plain = read(file_835(5, 30))
    marks = Marks(element="|", component=">", repetition="!", segment="\n", line="")
    assert read(file_835(5, 30, marks=marks)) == plain
    assert file_835(5, 30) == file_835(5, 30)
    assert file_835(5, 30) != file_835(6, 30)
