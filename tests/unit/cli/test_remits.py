"""What a remittance changes outside its claims, and what its reversals take back, told beside the claims."""

from __future__ import annotations

from gateway.cli.remits import NOT_HERE, outside, taken_back

PAYMENTS = [
    {"patient_control_number": "C1", "payer_claim_number": "P1", "status": "processed-primary", "remittance": "r1"},
    {"patient_control_number": "C1", "payer_claim_number": "P1", "status": "reversal", "remittance": "r2"},
    {"patient_control_number": "C2", "status": "reversal", "remittance": "r2"},
    {"patient_control_number": "C3", "status": "denied", "remittance": "r1"},
]
NUMBERS = {"r1": "EFT1", "r2": "EFT2"}


def changed(reason: str, reference: str | None, amount: str) -> dict[str, str]:
    return {"reason": reason, "amount": amount} | ({} if reference is None else {"reference": reference})


def test_a_reversal_names_the_remittance_it_takes_back() -> None:
    """By the payer's number of the claim; one whose payment never came here says so."""
    first, back, unknown, denied = PAYMENTS
    assert taken_back(back, PAYMENTS, NUMBERS) == {"takes_back": "EFT1"}
    assert taken_back(unknown, PAYMENTS, NUMBERS) == {"takes_back": NOT_HERE}
    assert taken_back(back, [back], NUMBERS) == {"takes_back": NOT_HERE}
    assert taken_back(first, PAYMENTS, NUMBERS) == taken_back(denied, PAYMENTS, NUMBERS) == {}


def test_what_is_outside_any_claim_names_what_it_refers_to() -> None:
    """A payer's number leads to our claim, a trace number in any letter case to its remittance; the sign stays."""
    adjustments = [
        changed("WO", "P1 ", "25.00"), changed("FB", "eft1", "-88.50"), changed("ZX", "P9", "1.00"),
        changed("L6", None, "-10.50"),
    ]  # fmt: skip
    found = list(outside([{"provider_adjustments": adjustments}, {}], PAYMENTS, NUMBERS))
    assert [(one["reason"], one["refers_to"], one["takes_off"]) for one in found] == [
        ("WO", "C1", "25.00"), ("FB", "remittance EFT1", "-88.50"), ("ZX", NOT_HERE, "1.00"),
        ("L6", NOT_HERE, "-10.50"),
    ]  # fmt: skip
    assert [bool(one["means"]) for one in found] == [True, True, False, True]
