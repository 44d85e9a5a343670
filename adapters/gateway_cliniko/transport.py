"""The only I/O of this adapter: one account, its credential, and the streams of all its lists."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Intake, RateBudget
from gateway.transport.http import HttpClient, HttpLimits
from gateway.transport.kept_key import KeptKey
from gateway.transport.polling import Poller, Rhythm
from gateway_cliniko.config import CallerConfig, ClinikoConfig
from gateway_cliniko.transport_changes import ChangedRows
from gateway_cliniko.transport_lists import LISTS, Api
from gateway_cliniko.transport_sweep import sweeps

_SHARD = re.compile(r"[a-z]{2}\d{1,2}", re.ASCII | re.IGNORECASE)


class AccountTransport:
    """Polls all lists of one account until cancelled."""

    def __init__(self, name: str, config: ClinikoConfig) -> None:
        if config.api_key is None or config.contact_email is None:
            what = "Polling needs an API key and an address for the vendor's questions"
            raise InvalidConfiguration(what, where=f"sources.{name}.config", fix="Set api_key and contact_email.")
        self._name, self._config, self._key = name, config, config.api_key

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Raises ``InvalidConfiguration`` when the key cannot be read or names no shard."""
        config = self._config
        contact = config.contact_email or ""
        key = KeptKey(self._key, lambda found: access(config, found, contact)[1])
        base, _ = access(config, key.key, contact)
        budget = RateBudget(requests=config.requests_per_minute, seconds=60.0)
        limits = HttpLimits(attempts=config.retries + 1, total=config.timeout_seconds)
        async with HttpClient([base], budget=budget, credential=key, limits=limits) as client:
            api = Api(client, base, config.per_page)
            streams = [ChangedRows(source, api, config, _now) for source in LISTS]
            opened()
            rhythm = Rhythm(interval=config.poll_seconds)
            await Poller(self._name, streams, rhythm, sweeps=sweeps(api, config, _now)).run(intake)


def _now() -> datetime:
    return datetime.now(UTC)


def access(config: CallerConfig, key: str, contact: str) -> tuple[str, dict[str, str]]:
    """Where an account is, and the headers that open it and say who calls."""
    return config.base_url or f"https://api.{shard(key)}.cliniko.com", {
        "Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii"),
        "User-Agent": f"{config.app_name} ({contact})",
    }


def shard(key: str) -> str:
    """The shard that a key's suffix names, fit for a host name; a key without a suffix belongs to the first."""
    _, dash, suffix = key.rpartition("-")
    if not dash:
        return "au1"
    if _SHARD.fullmatch(suffix) is None:
        raise InvalidConfiguration(
            "The API key does not end in a shard such as -au2",
            where="api_key",
            fix="Copy the whole key from My Info, Manage API keys.",
        )
    return suffix.lower()
