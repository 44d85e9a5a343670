"""The billing vendor's key: what ``gateway clients add`` does, with the key kept in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.access import secrets
from gateway.bootstrap import Gateway
from gateway.cli.clients import changed
from gateway.flow.clock import micros
from gateway.store import clients
from gateway_demo.config import TENANT
from gateway_demo.simulator_billing import Vendor

FOLDER = "vendor"


def billing_vendor(gateway: Gateway, url: str, folder: Path) -> Vendor:
    """A registered client of the feed, not started yet."""
    made = secrets.make()
    row: dict[str, Any] = {
        "client": secrets.client_id(), "tenant": TENANT, "name": "Billing vendor", "view": "billing",
        "purpose": "payment", "recipient": "billing vendor", "scopes": "", "locations": "[]", "hook_hosts": "[]",
        "quota": 6000, "jwks": "", "created_at": micros(), "revoked_at": None,
    }  # fmt: skip

    def keep(connection: Any) -> None:
        clients.add(connection, row)
        clients.add_secret(connection, row["client"], made.public, made.hash, row["created_at"])

    changed(gateway, row, "added", keep)
    return Vendor(folder=folder / FOLDER, url=url, key=made.text)
