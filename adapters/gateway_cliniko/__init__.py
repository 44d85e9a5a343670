"""Cliniko: practice management of allied health clinics, read through its public REST API, version 1.

Gives patients, practitioners, businesses (as locations) and individual appointments with cancellations, no-shows and
arrivals, by polling what changed. It has no webhooks. It cannot give payments, claims, eligibility, authorizations,
group classes as appointments, or a state "completed"; a deleted patient is not listed by the API at all.

API documentation: https://docs.api.cliniko.com
"""
