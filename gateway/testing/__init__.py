"""Shipped aids for those who test adapters, sinks and integrations against the gateway."""
