"""Reactor that understands what patients answer: opt-outs become consents, the rest work for the front desk.

What it gives: a STOP or START by text, or an unsubscribe link, as a consent of every patient who uses that number or
address; confirm, cancel and reschedule as a task about the visit that was last reminded of. What it cannot give: it
changes nothing in the clinic's own system, and does not read free text; such an answer becomes a task as it is.
"""
