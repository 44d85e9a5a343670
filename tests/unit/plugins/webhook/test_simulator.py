from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from standardwebhooks import Webhook

from gateway_webhook.simulator import Counts, Receiver

ROOT = Path(__file__).parents[4]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"appointment.created","timestamp":"2026-07-14T09:00:00Z","data":{"id":"r1","version":1}}'


def headers(id: str, body: str = BODY, *, secret: str = SECRET, shift: int = 0) -> dict[str, str]:
    """What the reference library would send."""
    at = datetime.fromtimestamp(int(time.time()) + shift, UTC)
    signature = Webhook(secret).sign(id, at, body)
    return {"webhook-id": id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


async def post(url: str, sent: dict[str, str], body: str = BODY) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body.encode(), headers=sent) as answer:
        return answer.status


def test_it_understands_the_reference_library(tmp_path: Path) -> None:
    """A request of the reference library is one effect, its repeat none, a repeat with another body a conflict."""

    async def run() -> None:
        receiver = Receiver(tmp_path / "ledger", [SECRET])
        url = await receiver.start()
        other = BODY.replace("created", "updated")
        assert [await post(url, headers("m1")), await post(url, headers("m1"))] == [202, 202]
        assert await post(url, headers("m1", other), other) == 202
        assert receiver.counts == Counts(effects=1, repeats=2, conflicts=1, refused=0)
        await receiver.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "m2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "now"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
    ],
)
def test_it_refuses_what_is_not_signed(tmp_path: Path, change: dict[str, str]) -> None:
    """A request whose id, time or signature does not fit is refused and leaves no line."""

    async def run() -> None:
        receiver = Receiver(tmp_path / "ledger", [SECRET])
        assert await post(await receiver.start(), headers("m1") | change) == 401
        assert receiver.counts == Counts(effects=0, repeats=0, conflicts=0, refused=1)
        await receiver.close()

    asyncio.run(run())


@pytest.mark.parametrize(("shift", "status"), [(-290, 202), (290, 202), (-310, 401), (310, 401)])
def test_it_refuses_old_and_future_requests(tmp_path: Path, shift: int, status: int) -> None:
    """A well signed request counts within five minutes of its time."""

    async def run() -> None:
        receiver = Receiver(tmp_path / "ledger", [SECRET])
        assert await post(await receiver.start(), headers("m1", shift=shift)) == status
        await receiver.close()

    asyncio.run(run())


def test_its_memory_survives_a_kill(tmp_path: Path) -> None:
    """Killed right after an answer and with a torn line behind it, it still knows every effect it answered for."""
    ledger = tmp_path / "ledger"
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    command = [sys.executable, "-m", "gateway_webhook.simulator", str(ledger), "0"]

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    for turn in range(2):
        process, url = start()
        try:
            for number in range(20):
                assert asyncio.run(post(url, headers(f"m{number}"))) == 202
        finally:
            process.kill()
            process.communicate()
        with ledger.open("ab") as lines:
            lines.write(b'{"id":"to')
        receiver = Receiver(ledger, [SECRET])
        assert receiver.counts == Counts(effects=20, repeats=20 * turn, conflicts=0, refused=0)
        asyncio.run(receiver.close())
        assert ledger.read_bytes().count(b"\n") == 20 * (turn + 1)
