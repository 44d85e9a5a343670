"""Sink that books ledger entries in Sage Intacct (XML gateway, DTD 3.0) as general ledger batches.

What it gives: one GLBATCH per ledger entry with location, department and class; control ids that the gateway takes
once; reversals instead of edits. What it cannot give: statistical or multi-currency journals. Patients are never named.
Reference: https://developer.intacct.com/api/general-ledger/journal-entries/.
"""
