"""Key provider ``transit``: the root key stays inside HashiCorp Vault or OpenBao, in its transit secrets engine.

Vault wraps and opens the few tenants' keys; the root key never leaves it. Its key is a *derived* one (every context has
a key of its own), and each request carries the context as associated data too. ``vault write -f
transit/keys/NAME/rotate`` makes a newer version there, and ``gateway keys rotate --root`` wraps by it.

Needs the extra ``vault``. While Vault is away intake goes on, and reads end after ``keys.cache_seconds``.
"""
