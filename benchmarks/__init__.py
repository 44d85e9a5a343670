"""Measurements of the gateway, with its peers beside it in the same run: ``python -m benchmarks``."""
