"""The audit log: every look at patient data is in it before the data is decrypted, and nobody can quietly change it.

``entry`` and ``log`` are what the gateway writes, ``sequencer`` numbers it into the tree of ``merkle`` and signs
``checkpoint``s for the ``witness``, ``verify`` recounts, ``bundle`` exports for those who want to recount on their own
with ``standalone``, ``tree`` proves single entries, ``review`` finds and sums them up, ``balp`` says them in FHIR.
"""

from __future__ import annotations

from gateway.audit.acknowledge import acknowledge
from gateway.audit.bundle import export_bundle, export_proof
from gateway.audit.checkpoint import Checkpoint, Signer
from gateway.audit.entry import Entry, rows_of
from gateway.audit.log import AuditLog
from gateway.audit.review import Habits, Logged, Search, Wanted, concerned, summed, unusual
from gateway.audit.seal import Seal, Witnesses
from gateway.audit.sequencer import Sequencer
from gateway.audit.tree import prove
from gateway.audit.verify import AuditReport, verify_audit
from gateway.audit.witness import FileWitness

__all__ = [
    "AuditLog",
    "AuditReport",
    "Checkpoint",
    "Entry",
    "FileWitness",
    "Habits",
    "Logged",
    "Seal",
    "Search",
    "Sequencer",
    "Signer",
    "Wanted",
    "Witnesses",
    "acknowledge",
    "concerned",
    "export_bundle",
    "export_proof",
    "prove",
    "rows_of",
    "summed",
    "unusual",
    "verify_audit",
]
