"""Who may see what: the views of routes."""

from __future__ import annotations

from gateway.access.safe_harbor import Veil
from gateway.access.views import Projection, View, built_in, compile_views

__all__ = ["Projection", "Veil", "View", "built_in", "compile_views"]
