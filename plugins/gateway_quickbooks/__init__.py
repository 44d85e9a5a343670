"""Sink that books ledger entries in QuickBooks Online (Accounting API v3) as journal entries.

What it gives: one JournalEntry per ledger entry, numbered (DocNumber), with class and location (Department); reversals
instead of edits. What it cannot give: customers, invoices or payments. Patients are never named: books get amounts
by day, clinic and account. Reference: https://developer.intuit.com/app/developer/qbo/docs/api/accounting.
"""
