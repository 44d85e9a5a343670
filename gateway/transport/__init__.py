"""Shared input and output that adapters and sinks configure."""
