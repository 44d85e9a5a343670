"""The audit log: every look at patient data is in it before the data is decrypted, and nobody can quietly change it.

``entry`` and ``log`` are what the gateway writes, ``sequencer`` numbers it into the tree of ``merkle`` and signs
``checkpoint``s for the ``witness``, ``verify`` recounts, ``bundle`` exports for those who want to recount on their own.
"""

from __future__ import annotations

from gateway.audit.bundle import export_bundle
from gateway.audit.checkpoint import Checkpoint, Signer
from gateway.audit.entry import Entry, rows_of
from gateway.audit.log import AuditLog
from gateway.audit.sequencer import Sequencer
from gateway.audit.verify import AuditReport, verify_audit
from gateway.audit.witness import FileWitness

__all__ = [
    "AuditLog",
    "AuditReport",
    "Checkpoint",
    "Entry",
    "FileWitness",
    "Sequencer",
    "Signer",
    "export_bundle",
    "rows_of",
    "verify_audit",
]
