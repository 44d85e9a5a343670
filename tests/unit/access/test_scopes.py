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
    assert granted(["system/Task.cruds", "system/Claim.*", "system/Patient.cr"], ()) == (
        "system/Task.rs", "system/Claim.rs", "system/Patient.r"
    )  # fmt: skip
    assert granted(["system/Task.cud", "system/Task.", "system/*.*"], ("system/Task.r",)) == ("system/Task.r",)
    assert granted(["system/Task.cud", "system/Task.write"], ()) == ()
    assert granted(["system/Patient.rs"], ("system/Patient.r",)) == ("system/Patient.r",)
    assert granted(["system/Patient.rs"], ("system/*.s",)) == ("system/Patient.s",)
    assert granted(["system/*.r"], held) == ("system/Patient.r", "system/Claim.r")
    assert granted(["system/*.read"], ("system/Patient.read",)) == ("system/Patient.read",)
    assert granted(["system/Patient.s"], ("system/Patient.r",)) == ()
    assert not known("system/Nothing.rs", TYPES)
    assert not known("system/Patient.cud", TYPES)


def test_the_audit_log_is_granted_by_its_name_alone() -> None:
    """A token says that it reads the audit log only where it does: no wildcard holds it, and no absence of scopes."""
    assert granted(["system/AuditEvent.rs", "system/*.rs"], ("system/*.rs",)) == ("system/*.rs",)
    assert granted(["system/AuditEvent.rs"], ()) == ()
    named = ("system/Claim.rs", "system/AuditEvent.r")
    assert granted(["system/AuditEvent.rs"], named) == ("system/AuditEvent.r",)
    assert granted(["system/*.rs"], named) == named
