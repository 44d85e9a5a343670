"""Sink that sends claims and questions to payers by way of a clearinghouse: 837P, 270, 276 and 278 in X12 005010.

What it gives: documents built from submissions (which the reactor ``claims`` derives), sent to an SFTP mailbox or over
CAQH CORE vC2.2.0 (SOAP with MTOM, or MIME multipart), one interchange per submission under one control number for all
attempts; answers that come back at once (271, 277, 278, 999, TA1) as messages of the source that the route names;
profiles for Stedi, Availity, Optum, Waystar, TriZetto and Eligible, which hold confirmed facts only.

What it cannot give: vendors' own JSON interfaces; client certificates.
Answers that come later lie in the mailbox, where a source of the adapter ``x12`` fetches them.

Guides: https://x12.org/products/technical-reports. CORE rules: https://www.caqh.org/core.
"""
