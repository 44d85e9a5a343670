"""Reactor that sets money announced against money arrived: remittances and the bank, claims and their payments.

What it gives: a settlement for each trace number (open, matched, short, over, repeated by another channel) and for each
claim number (what is still unexplained), and a task for what stays open too long. What it cannot give: a match of
deposits that carry no trace number; a check that the bank books under its own number only.
"""
