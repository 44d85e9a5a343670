"""Reactor that keeps the balance of every authorization: visits booked, attended and left, and who must act.

What it gives: a derived authorization for each that a payer gave, counted from appointments and visits, and a task
before visits or days run out. What it cannot give: visits that took place in systems the gateway does not see; which
authorization an appointment is charged to when two could hold it and the clinic's system does not say.
"""
