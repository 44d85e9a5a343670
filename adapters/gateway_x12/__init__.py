"""X12 files of payers and clearinghouses, 004010 and 005010: 835, 837, 271, 278, 277, 277CA, 999, 997 and TA1.

Gives remittances balanced at line, claim and transaction level, claims as submitted, benefits, authorizations and the
claim status history. What does not balance is flagged with the difference and its place, never refused or corrected.
Questions (270, 276) are kept and make no record; enrollment and premium files (834, 820) become findings. An 835 names
a patient by member number and name only.

Standard: https://x12.org/products/technical-reports. Validation: https://github.com/azoner/pyx12
"""
