"""Jane: practice management, read through the Jane Developer Platform (JDP), version 2026-01-01.

Gives locations, staff, patients with their choice of e-mail, and one-on-one appointments, by polling what changed and
by webhooks (booked, cancelled, rescheduled, uncancelled). Access is OAuth 2 with consent of the clinic's own staff,
for partners of the vendor; a clinic without a partner imports its exported reports. It cannot give classes and groups,
invoices, payments, claims, insurance policies, eligibility, waiting lists or shifts.

Developer documentation: https://developers.jane.app
"""
