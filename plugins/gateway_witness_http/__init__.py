"""Witness on another host: ``gateway witness``, or any service that speaks C2SP's tlog-witness.

What it gives: every head, at most one a second, with the proof that it continues the one before; the witness refuses a
log that was rewritten, cut or rolled back, and ``gateway verify audit`` and every start ask it for what it has seen.

What it cannot give: protection when the same person rules both hosts. Run the witness under another account, best by
another department, and pin the log's key there (``gateway audit keys``).

Specification: https://c2sp.org/tlog-witness.
"""
