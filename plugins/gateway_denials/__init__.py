"""Reactor that turns every refused claim or service line of a remittance into a denial and a task.

What it gives: the kind of problem by adjustment reason and remark codes, the money that may still be won, the last day
to act by the payer's own rule, the next step in plain words, and a task for the biller; a claim that was taken back or
paid later closes both. What it cannot give: whether an appeal is worth it, and a payer's private reason codes.

Code values are facts; the wording is ours. Lists of the codes themselves: https://x12.org/codes.
"""
