"""What a source's fields and codes mean in the canonical model: declarative files, compiled once to functions."""

from __future__ import annotations

from gateway.mapping.adding import Step
from gateway.mapping.checking import check
from gateway.mapping.engine import Mapping
from gateway.mapping.files import shipped
from gateway.model.null import NULL

__all__ = ["NULL", "Mapping", "Step", "check", "shipped"]
