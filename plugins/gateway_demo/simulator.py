"""The world around the demo: a vendor's API, a hospital's interface engine, a payer, and a receiver of webhooks.

Among the clinic's day are a frame that is no HL7 message, an appointment at an impossible time and an event that makes
no record, so that refusal, quarantine and suppression have something real to show.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.errors import SourceUnavailable
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway.wire.mllp import Decoder, encode
from gateway_cliniko.simulator import ClinikoSimulator
from gateway_demo.config import API_KEY_VARIABLE, DROP, SECRET_FILE, DemoConfig
from gateway_hl7.simulator import clinic_day, send_day
from gateway_webhook.simulator import Receiver
from gateway_x12.simulator import file_835

HOST = "127.0.0.1"
FILES, CLAIMS = 3, 40
ANSWER_SECONDS = 10.0

_ANSWER = compile_path("MSA-1")
_NO_MESSAGE = b"PID|1||100001^^^PRACTICE^MR\r"
_START = re.compile(rb"(\^\^30\^)\d{14}")


class World(msgspec.Struct, kw_only=True):
    """Everything outside the gateway, running. ``acknowledged`` counts answers by code."""

    folder: Path
    api: ClinikoSimulator
    receiver: Receiver
    config: DemoConfig
    acknowledged: dict[str, int] = {}

    @classmethod
    async def start(cls, folder: Path) -> World:
        """Start the API and the receiver on loopback, with secrets made now."""
        api_key = f"{secrets.token_urlsafe(24).replace('-', '_')}-au2"
        os.environ[API_KEY_VARIABLE] = api_key
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
        path = folder / SECRET_FILE
        path.touch(mode=0o600)
        path.write_text(secret, encoding="ascii")
        (folder / DROP).mkdir(exist_ok=True)
        api = ClinikoSimulator(synthetic_clinic(2, first_day=datetime.now(UTC).date()), api_key=api_key)
        receiver = Receiver(folder / "receiver.ndjson", [secret])
        config = DemoConfig(mllp_port=_free_port(), api_url=await api.start(), hook_url=await receiver.start())
        return cls(folder=folder, api=api, receiver=receiver, config=config)

    async def play(self, *, pause: float) -> None:
        """One clinic day: messages over MLLP, files into the folder, and staff at work in the vendor's system."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(pause))
            group.create_task(asyncio.to_thread(self._drop))
            group.create_task(self._work())
        while any((self.folder / DROP).glob("*.835")):  # noqa: ASYNC110 - a folder sends no event
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Close both servers."""
        await self.api.stop()
        await self.receiver.close()
        os.environ.pop(API_KEY_VARIABLE, None)

    async def _send(self, pause: float) -> None:
        messages = clinic_day()
        half = len(messages) // 2
        await send_day(HOST, self.config.mllp_port, messages[:half], self._answered, pause=pause)
        self._answered("", await asyncio.wait_for(_send_frame(self.config.mllp_port, _NO_MESSAGE), ANSWER_SECONDS))
        await send_day(HOST, self.config.mllp_port, [*_awkward(), *messages[half:]], self._answered, pause=pause)

    def _answered(self, _control_id: str, code: str) -> None:
        self.acknowledged[code] = self.acknowledged.get(code, 0) + 1

    def _drop(self) -> None:
        for number in range(1, FILES + 1):
            whole = file_835(number, CLAIMS, control=number, transactions=number)
            part = self.folder / DROP / f"remittance-{number}.part"
            part.write_bytes(whole)
            part.rename(part.with_suffix(".835"))

    async def _work(self) -> None:
        """After the first look of the gateway: two patients cancel, one arrives, one has a new telephone number."""
        while self.api.answered[200] < len(self.api.tables):  # noqa: ASYNC110 - the simulator counts, it sends no event
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)  # later than the second in which the first look was taken
        booked = [row["id"] for row in self.api.tables["individual_appointments"].values() if not row["cancelled_at"]]
        for appointment, reason in zip(booked[:2], (30, 60), strict=True):
            self.api.cancel(appointment, reason)
        self.api.arrive(list(self.api.tables["attendees"])[-1], arrived=True)
        phones = [{"number": "(202) 555-0199", "normalized_number": "12025550199", "phone_type": "Mobile"}]
        self.api.touch("patients", next(iter(self.api.tables["patients"])), patient_phone_numbers=phones)


def _awkward() -> list[bytes]:
    """An appointment at an impossible time, and a discharge, which makes no record here."""
    registration, booking, *_ = clinic_day(99, patients=1, visits=1, merges=0)
    return [
        _START.sub(rb"\g<1>20261345996100", booking),
        registration.replace(b"ADT^A04^ADT_A01", b"ADT^A09^ADT_A09").replace(b"EVN|A04", b"EVN|A09"),
    ]


async def _send_frame(port: int, body: bytes) -> str:
    """Send one frame, whatever is in it; returns the acknowledgement code."""
    reader, writer = await asyncio.open_connection(HOST, port)
    decoder = Decoder(64 * 1024)
    try:
        writer.write(encode(body))
        await writer.drain()
        while data := await reader.read(4096):
            for event in decoder.feed(data):
                if isinstance(event, bytes):
                    return str(_ANSWER(Message(event)))
    finally:
        writer.close()
    raise SourceUnavailable("The listener hung up without an answer.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
