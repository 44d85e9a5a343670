"""Sink that books ledger entries in Xero (Accounting API 2.0) as manual journals.

What it gives: one posted manual journal per ledger entry, its number at the head of the narration, with up to two
tracking categories; reversals instead of edits. What it cannot give: journals on accounts that Xero keeps for itself
(receivable, payable, bank): map those roles to clearing accounts. Patients are never named.
Reference: https://developer.xero.com/documentation/api/accounting/manualjournals.
"""
