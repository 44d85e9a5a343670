"""The HTTP room: hooks in, the feed and the FHIR facade out, health. Loaded only where ``[http]`` is configured.

Whoever asks is a client: it has one tenant, a view, locations, a purpose and a recipient, and whatever leaves passes
its view, the audit log and the patient's disclosure list, in that order of writing, before the first byte.
"""

from __future__ import annotations

from gateway.http.house import House
from gateway.http.server import serve_http

__all__ = ["House", "serve_http"]
