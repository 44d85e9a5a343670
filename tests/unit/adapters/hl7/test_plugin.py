"""The adapter as the registry sees it."""

from __future__ import annotations

from gateway.mapping import check
from gateway.model import TYPES
from gateway.registry import Registry
from gateway_hl7.plugin import gateway_adapters


def test_the_registry_loads_it_by_name():
    """Its entry point, hook and shape are what the core expects."""
    assert Registry.load(["hl7"]).adapters["hl7"].info.name == "hl7"


def test_its_mapping_fits_the_canonical_model():
    """Every rule of its mapping files can be read by its paths and fits the model."""
    (adapter,) = gateway_adapters()
    assert check(adapter.mappings, None, adapter.path, TYPES) == []
