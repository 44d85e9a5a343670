"""Shared input and output that adapters configure: listeners, folders, clients. Bytes, not their meaning."""
