"""Sink that writes ledger entries as journal files: CSV for any bookkeeping program, IIF for QuickBooks Desktop.

What it gives: one file per dispatch and form, whole or not at all, and a list of every journal written. What it cannot
give: whether somebody imported a file. Patients are never named.
"""
