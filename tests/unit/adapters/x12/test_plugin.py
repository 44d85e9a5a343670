"""Public 835 files against facts that were computed without any parser of ours."""

from __future__ import annotations

import json
from decimal import Decimal

from tests.unit.adapters.x12.remittances import cut, read


def total(amounts) -> Decimal:
    return sum(amounts, Decimal(0))


def test_every_public_file_matches_its_facts(corpora):
    """Amounts, counts, sums, codes, the balance verdict, the difference and what does not balance."""
    facts = json.loads((corpora / "x12_835_facts.json").read_text("utf-8"))
    assert len(facts) >= 15
    for fact in facts:
        (remittance,), claims = read((corpora / fact["file"]).read_bytes())
        lines = [line for claim in claims for line in claim.lines]
        adjustments = [one for part in (*claims, *lines) for one in part.adjustments]
        expected = {
            "BPR01": remittance.handling, "BPR04": remittance.method, "TRN02": remittance.trace_number,
            "payer": remittance.payer_name, "payee": remittance.payee_name, "payee_id": remittance.payee_id or "",
            "CLP_count": remittance.claim_count, "SVC_count": len(lines), "balances": remittance.balanced,
            "CARCs": sorted({f"{one.group}-{one.reason}" for one in adjustments}),
            "RARCs": sorted({remark for part in (*claims, *lines) for remark in part.remarks}),
            "PLB_adjustments": [
                {"reason": f"{one.reason}:{one.reference}", "amount": str(one.amount)}
                for one in remittance.provider_adjustments
            ],
            "claims_not_balancing_count": remittance.balance.claims_off,
            "service_lines_not_balancing": remittance.balance.lines_off,
        }  # fmt: skip
        assert {name: fact[name] for name in expected} == expected, fact["file"]
        amounts = {
            "BPR02": remittance.amount, "sum_CLP03": remittance.charge_total, "sum_CLP04": remittance.paid_total,
            "sum_CLP05": total(claim.patient_responsibility or Decimal(0) for claim in claims),
            "sum_PLB": total(one.amount for one in remittance.provider_adjustments),
            "difference": remittance.difference,
        }  # fmt: skip
        assert {name: Decimal(fact[name]) for name in amounts} == amounts, fact["file"]
        assert [one["claim"] for one in fact["claims_not_balancing"]] == [
            claim.patient_control_number for claim in claims if not claim.claim_balanced
        ]
        assert total(claim.paid for claim in claims) == remittance.paid_total


def test_envelope_trouble_is_found_exactly_where_the_facts_have_it(corpora):
    """A wrong SE01 is a finding; the file is read all the same."""
    for fact in json.loads((corpora / "x12_835_facts.json").read_text("utf-8")):
        items, findings = cut((corpora / fact["file"]).read_bytes())
        counts = [one.what for one in findings if one.what.startswith("SE01")]
        said = [problem.split() for problem in fact["envelope_problems"]]
        assert counts == [f"SE01 says {words[1]}, {words[3]} were counted" for words in said]
        assert len(items) == fact["CLP_count"] + 1


def test_our_own_mixed_remittance_balances(corpora):
    """Paid, denied, reduced, reversed and corrected claims with provider adjustments add up at every level."""
    (remittance,), claims = read((corpora / "x12/synthetic-pt/835_pt_mixed.x12").read_bytes())
    assert (remittance.amount, remittance.balanced, remittance.balance.claim) == (Decimal("216.72"), True, True)
    assert [claim.status for claim in claims] == [
        "processed-primary", "denied", "processed-primary", "reversal", "processed-primary",
    ]  # fmt: skip
    assert claims[3].patient_control_number == claims[4].patient_control_number
