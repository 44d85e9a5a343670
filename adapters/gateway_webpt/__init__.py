"""WebPT: EMR of physical therapy clinics, read through its Standard Extract (nightly CSV files by SFTP) and reports.

Gives appointments of a rolling window, authorizations, charges, patient payments and credits, and what the other tables
hold under the names a site confirms. It has no public API. Cancelled appointments, file names, formats and the columns
of eleven tables are not documented in public: they are recognized by evidence and can be set. HL7 feeds of the same
system go through the adapter ``hl7`` with a profile.

Standard Extract: https://help.analytics.webpt.com/article/1010
"""
