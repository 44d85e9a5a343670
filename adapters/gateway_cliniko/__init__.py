"""Cliniko: practice management of allied health clinics, read through its public REST API, version 1.

Gives businesses, practitioners with provider numbers, referring doctors and payers, patients with their choice of
reminders, cases with a limit of sessions, individual and group appointments with cancellations, no-shows and
arrivals, invoices with items, how patients came, the log of messages, and closed times, by polling what changed. It
has no webhooks. It cannot give payments, balances, claims, eligibility or a state "completed"; a deleted patient is
not listed by the API at all. Its sink writes back arrivals, no-shows, cancellations and notes; it books and moves
nothing.

API documentation: https://docs.api.cliniko.com
"""
