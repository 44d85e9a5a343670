"""Bank files: what the bank says happened to the money, from BAI2, ACH files with CCD+ addenda, and CSV exports.

Gives one bank transaction for each line, with the re-association trace number (TRN02) that a payer put into the
addenda, exact to the cent; control totals of BAI2 and ACH files are checked. Cannot give: balances, lines of accounts
in other currencies, MT940 and camt.053. Account numbers stay in the sealed message: records carry the clinic's own name
for the account.

Formats: BAI2 (Cash Management Balance Reporting Specifications), Nacha Operating Rules (CCD with one addenda record).
"""
