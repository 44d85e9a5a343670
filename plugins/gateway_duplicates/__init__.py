"""Duplicates: what one person has in two places though it is one thing: a visit, a treatment, an authorization.

Who is one person is said by the reactor ``persons``; without it nothing is found. What is found becomes a task that
names both records. Nothing is merged and no record is changed: which of the two is right is for people to say.
"""
