"""Reactor that makes documents for payers: claims of signed visits, eligibility checks, requests for authorizations.

What it gives: a submission for each signed visit that passes the scrub (units by minutes, modifiers, NCCI pairs,
most units, threshold, authorization), else a task with every finding; a question about a policy before the month's
first visit; a request for each authorization that a clinic's system asks for.

What it cannot give: claims to second payers, which the reactor ``followup`` makes; corrected claims (frequency 7),
which need the payer's claim number; the sum that counts towards the Medicare threshold, of which charges are only an
upper bound.

Rules: CMS Pub. 100-04 chapter 5; NCCI and MUE tables of CMS, which change each quarter.
"""
