"""Reactor that turns remittances, payments, charges, written-off denials and deposits into balanced journals.

What it gives: a journal for each remittance, one for each day and clinic once the day is closed, and, when asked, one
for each deposit. A journal is never edited: what changes its content makes another one, and sinks book the reversal of
the one that is gone. What it cannot give: depreciation of receivables, payroll, or payments that no record tells of.
"""
