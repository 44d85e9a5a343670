"""The vault: what is stored of patients is sealed here, and opened only under an access entry that is already logged.

``keystore`` keeps the keys, ``vault`` seals and opens with them, ``grant`` is the leave to open. ``cipher`` is the only
module of the gateway that decrypts.
"""

from __future__ import annotations

from gateway.vault.cipher import Opaque
from gateway.vault.grant import Grant
from gateway.vault.keystore import Keystore
from gateway.vault.place import Place, row_bytes
from gateway.vault.vault import Sealed, Vault

__all__ = ["Grant", "Keystore", "Opaque", "Place", "Sealed", "Vault", "row_bytes"]
