"""Scopes let through what they name and nothing that they do not."""

from __future__ import annotations

import pytest

from gateway.access.scopes import allowed, granted, known

TYPES = ("Appointment", "Patient", "Payer", "Organization", "ClaimPayment", "LedgerEntry")


@pytest.mark.parametrize(
    ("scopes", "through"),
    [
        ([], set(TYPES)),
        (["system/*.rs"], set(TYPES)),
        (["system/Organization.read"], {"Organization", "Payer"}),
        (["system/ExplanationOfBenefit.rs"], {"ClaimPayment"}),
        (["system/LedgerEntry.r", "system/Patient.s"], {"LedgerEntry", "Patient"}),
        (["system/Patient.write", "user/Patient.rs", "system/Patient.rs?x=1"], set()),
    ],
)
def test_only_what_is_named_is_let_through(scopes: list[str], through: set[str]) -> None:
    """Resources stand for their record types; scopes that write, or are no system scopes, let nothing through."""
    assert allowed(scopes, TYPES) == through


def test_a_token_never_holds_more_than_its_client() -> None:
    """What is asked for is cut down to what is held, wildcards on either side included."""
    held = ("system/Patient.rs", "system/Claim.rs")
    assert granted(["system/Patient.rs", "system/Task.rs"], held) == ("system/Patient.rs",)
    assert granted(["system/*.rs"], held) == held
    assert granted(["system/Task.rs"], ("system/*.rs",)) == ("system/Task.rs",)
    assert granted(["openid", "system/Task.rs"], ()) == ("system/Task.rs",)
    assert not known("system/Nothing.rs", TYPES)
    assert not known("system/Patient.cud", TYPES)
