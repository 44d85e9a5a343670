"""The rest of the clinic group: one on Cliniko that is moving to Jane, so both have its people, and one on WebPT."""

from __future__ import annotations

import os
import secrets
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway_cliniko.simulator import ClinikoSimulator
from gateway_jane.simulator import JaneSimulator
from gateway_jane.simulator_identity import CLIENT_SECRET
from gateway_jane.simulator_rows import SCOPES
from gateway_webpt.simulator import Company, put

EXTRACTS, TOKENS = "extracts", "jane-tokens.json"
PATIENTS, VISITS = 6, 8
AHEAD = timedelta(days=5)
"""So far ahead are the visits of these clinics: none of their reminders is due while the demo runs."""
_DAYS = 10
_SCHEDULE = ("patients_", "appointments_")
"""What this clinic's extract holds here: claims of the demo are those of another."""


class Group(msgspec.Struct, kw_only=True):
    """Three clinics, running."""

    westside: ClinikoSimulator
    riverside: JaneSimulator
    api_key: str
    jane_secret: str = CLIENT_SECRET

    @classmethod
    async def start(cls, folder: Path, stack: AsyncExitStack) -> Group:
        """Start both vendors' clinics, agree to Jane's consent, and leave last night's extract."""
        today = datetime.now(UTC)
        moving = synthetic_clinic(
            11, places=1, therapists=2, patients=PATIENTS, visits=VISITS, first_day=(today + AHEAD).date()
        )
        api_key = f"{secrets.token_urlsafe(24).replace('-', '_')}-au3"
        group = cls(
            westside=ClinikoSimulator(moving, api_key=api_key), riverside=JaneSimulator(moving), api_key=api_key
        )
        for one in (group.westside, group.riverside):
            await one.start()
            stack.push_async_callback(one.stop)
        _private(folder / TOKENS, msgspec.json.encode({"refresh_token": group._agreed()}))
        (folder / EXTRACTS).mkdir(exist_ok=True)
        put(folder / EXTRACTS, _extract(today))
        return group

    @property
    def seen_twice(self) -> int:
        """Visits that both vendors have, and that at least one of them still expects."""
        return sum(row["state"] != "cancelled" for row in self.riverside.tables["appointments"].values())

    def _agreed(self) -> str:
        return str(self.riverside.identity.grant(" ".join(sorted(SCOPES.values())))["refresh_token"])


def _extract(today: datetime) -> dict[str, bytes]:
    company = Company(
        synthetic_clinic(12, places=1, therapists=2, patients=PATIENTS, visits=1), 12,
        (today - timedelta(days=_DAYS)).date(),
    )  # fmt: skip
    for _ in range(_DAYS):
        company.live()
    return {name: data for name, data in company.night().items() if name.startswith(_SCHEDULE)}


def _private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
