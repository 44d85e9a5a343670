"""Twilio's error codes by what must be done."""

from __future__ import annotations

RECIPIENT = frozenset({"21211", "21214", "21610", "21612", "21614", "21635", "30003", "30006"})
"""Concerning the number that was written to: another channel may reach the patient."""
CONFIGURATION = frozenset({"20003", "21606", "21608", "30007", "30034"})
"""Concerning our account or number: a person must act, and nothing is lost meanwhile."""
RETRY_SECONDS = 300.0
"""Seconds after which it is tried again whether a person has acted."""
