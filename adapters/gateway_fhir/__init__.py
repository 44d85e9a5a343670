"""FHIR R4 (4.0.1): any certified EHR, payer or partner that serves it, by polling, bulk export, hooks and from files.

Gives patients, practitioners, clinics, organizations and payers, appointments, slots, visits, coverage, benefits,
referrals, plans and episodes of care, claims, authorizations, claim payments and remittances, as far as the server
serves them: US Core asks no server for scheduling or billing resources, so what is missing is read from the server's
own CapabilityStatement and told. It cannot give who owes an adjustment (CAS groups), or resolve a Condition that is
only referred to.

Standard: https://hl7.org/fhir/R4/  SMART Backend Services and Bulk Data: https://hl7.org/fhir/smart-app-launch/ and
https://hl7.org/fhir/uv/bulkdata/
"""
