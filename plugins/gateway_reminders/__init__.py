"""Reactor that plans what patients are told: reminders of visits, and nudges that are off until they are switched on.

What it gives: reminders two days, one day and two hours before a visit, by the channel the patient agreed to, inside
the patient's waking hours and under caps; each says why it is held or was taken back. An optional model of no-shows
adds one for risky visits and says why. ``gateway reminders fit`` fits that model on a clinic's own history.

What it cannot give: names and telephone numbers of clinics come from its settings, since a location belongs to no
patient's group; whether a source is fresh is judged by the route (``stale_after``).
"""
