"""Reactor that follows claims after they were sent: history, alarms, questions, and the claims to further payers.

What it gives: the progress of each claim from every answer that names it (277CA, 277, 835); a task where no TA1, 999 or
277CA came in time, or one refused; a question (276) for a claim without an answer; and, when a payer has decided, the
claim to each further one with every decision before, unless the claim was passed on already.

A second reactor, ``inquiries``, asks about claims that were made elsewhere and are known as copies only: the copy names
patient, policy and payer, and the progress of the claim says whether it was answered.

What it cannot give: further payers of claims that were made elsewhere.

Guides: X12 005010X222A1 (loops 2320, 2330, 2430), 005010X212, 005010X214.
"""
