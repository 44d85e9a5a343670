"""A real keystore under a real root key file."""

from __future__ import annotations

from pathlib import Path

from gateway.vault import Grant, Keystore, Place, Vault
from gateway_keys_file.config import FileKeyConfig
from gateway_keys_file.provider import FileKeys


class Opened:
    """A vault whose audit log is a set that the test fills."""

    def __init__(self, folder: Path) -> None:
        self.provider = FileKeys()
        self.config = FileKeyConfig(path=folder / "root.key")
        self.provider.create(self.config)
        self.path = folder / "keystore.db"
        self.keystore = Keystore.create(self.path, self.provider, self.config)
        self.committed: set[Grant] = set()
        self.vault = Vault(self.keystore, self.committed.__contains__)

    def reopen(self) -> None:
        """What a new process sees."""
        self.keystore.close()
        self.keystore = Keystore(self.path, self.provider, self.config)
        self.vault = Vault(self.keystore, self.committed.__contains__)

    def grant(self, *places: Place) -> Grant:
        """Leave to open some places of one tenant."""
        rows = frozenset((place.table, place.row) for place in places)
        grant = Grant(places[0].tenant, rows, self.committed.discard)
        self.committed.add(grant)
        return grant
