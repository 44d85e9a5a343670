"""X12 005010 remittance advice: the 835 (X221A1), read from files that a payer or clearinghouse drops.

Gives remittances, claim payments, patients as payers know them, and payers; balances each file at line, claim and
transaction level, exact to the cent. What does not balance is flagged with the difference and its place, never refused
or corrected. An 835 names a patient by member number and name only: no birth date, no address, no contact. Other
transaction sets in the same files become findings.

Standard: https://x12.org/products/technical-reports (005010X221A1). Validation: https://github.com/azoner/pyx12
"""
