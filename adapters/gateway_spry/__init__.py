"""SPRY: practice management for rehabilitation, read through its public REST API and its webhooks.

Gives appointments with the patients who come, cases with their insurance cards and referring physicians, and
authorizations with visit counts. Calendars are read by doctor and clinic; cases are read once something named them: an
appointment, a webhook or the settings. It cannot give lists of patients, doctors, clinics or cases, invoices,
payments or eligibility: no call for them is published.

Developer documentation: https://api-docs.spryhealth.care
"""
