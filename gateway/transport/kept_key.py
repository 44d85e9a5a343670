"""Secrets that stand in a file and may be replaced there while the gateway runs: a new one counts without a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.errors import InvalidConfiguration
from gateway.secret import Secret, resolve_secret


class KeptSecret:
    """A secret that is read again when it is asked for; while none can be read, as in the midst of a change, the last.

    What ``env:`` names stays as it is until the next start.

    Raises:
        InvalidConfiguration: there is none at the start.
    """

    def __init__(self, reference: Secret) -> None:
        self._reference = reference
        self._last = resolve_secret(reference)

    def now(self) -> str:
        """The secret."""
        try:
            self._last = resolve_secret(self._reference)
        except InvalidConfiguration:
            return self._last
        return self._last


class KeptKey:
    """The credential of a peer that takes one fixed key; read again whenever the peer refuses it.

    Args:
        reference: where the key is.
        dress: the headers that a key makes; pure.

    Raises:
        InvalidConfiguration: there is no key at the start.
    """

    def __init__(self, reference: Secret, dress: Callable[[str], Mapping[str, str]]) -> None:
        self._secret = KeptSecret(reference)
        self._dress = dress
        self.key = self._secret.now()

    async def headers(self) -> Mapping[str, str]:
        """What the key makes."""
        return self._dress(self.key)

    def refused(self) -> bool:
        """Read the key again; True when it is another one."""
        before, self.key = self.key, self._secret.now()
        return self.key != before
