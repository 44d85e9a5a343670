"""Sink that sends changes as HL7 v2 messages over MLLP, to systems that speak nothing else.

What it gives: patients as ADT A28, A31, A29 and merges as A40, appointments as SIU S12, S14, S15, S17 and S26, visits
with charges as DFT P03; built and validated by hl7apy; TLS 1.2 or newer, with a client certificate where asked; one
message at a time, in order; the message control id (MSH-10) is the same for every attempt.

What it cannot give: an effect exactly once at a receiver that does not compare MSH-10, for HL7 v2 cannot be asked what
arrived. Patients, clinicians and places are told by the gateway's own record ids beside the identifiers that the view
grants. Record types without a message above are refused, not dropped.

Standard: https://www.hl7.org/implement/standards/product_brief.cfm?product_id=144
"""
