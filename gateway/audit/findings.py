"""What to do about what a recount of the audit log finds: each finding names its reason, and its reason stands here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

EVIDENCE = (
    "Keep a copy of the store as it is and a bundle of its log (gateway verify audit --export FILE): both are evidence."
    " Restore the newest backup that verifies, and find out who can write to the store."
)
SHORTER = (
    "The log was signed longer than it is: an older store was put in its place, or its end was taken away. Restore the"
    " newest backup. Only where an older one was restored on purpose: gateway audit acknowledge."
)
WITNESS_LOST = (
    "Find out who could take the heads out of the witness, and put them back from its own backup. If they are lost for"
    " good: gateway audit acknowledge, which says so in the log."
)
FIXES: Mapping[str, str] = {
    "witness-silent": "See that the witness can be reached, and verify again: until then nobody knows what it has.",
    "witness-gone": WITNESS_LOST,
    "witness-empty": WITNESS_LOST,
    "witness-lacks": WITNESS_LOST,
    "witness-forged": "No key of this gateway signed what the witness shows: find out who can write to the witness.",
    "checkpoint-missing": SHORTER,
    "log-truncated": SHORTER,
    "checkpoint-forged": EVIDENCE,
    "checkpoint-swapped": EVIDENCE,
    "leaf-missing": EVIDENCE,
    "row-skipped": EVIDENCE,
    "row-missing": EVIDENCE,
    "row-changed": EVIDENCE,
    "head-differs": EVIDENCE,
    "node-changed": EVIDENCE,
    "writer-unknown": EVIDENCE,
}


def fixes(reasons: Iterable[str]) -> dict[str, str]:
    """What to do about each of these reasons, in the order of :data:`FIXES`."""
    found = set(reasons)
    return {reason: fix for reason, fix in FIXES.items() if reason in found}
