"""The world around the demo: clinics, a hospital's interface engine, payers, a bank, telephones, books, receivers.

Among the clinic's day are a frame that is no HL7 message, an appointment at an impossible time and an event that makes
no record, so that refusal, quarantine and suppression have something real to show.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.errors import SourceUnavailable
from gateway.testing.ports import free_port
from gateway.testing.simulated_folder import leave
from gateway.testing.synthetic_clinic import synthetic_clinic
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway.wire.mllp import Decoder, encode
from gateway_clearinghouse.simulator import ClearinghouseSimulator
from gateway_cliniko.simulator import ClinikoSimulator
from gateway_demo.config import (
    ACCOUNTS,
    API_KEY_VARIABLE,
    BANK_FOLDER,
    BOOKS_VARIABLE,
    DROP,
    FHIR_VARIABLE,
    JANE_VARIABLE,
    MAILBOX,
    RECEIVABLES,
    SECRET_FILE,
    SFTP_VARIABLE,
    TEXTS,
    TWILIO_VARIABLE,
    WESTSIDE_VARIABLE,
    DemoConfig,
)
from gateway_demo.simulator_billing import Vendor
from gateway_demo.simulator_clinic import Eastside
from gateway_demo.simulator_group import EXTRACTS, TOKENS, Group
from gateway_demo.simulator_payers import Paid, clearinghouse, directory_known, play_payers
from gateway_demo.simulator_texts import play_texts
from gateway_fhir.simulator import CLIENT_ID, CLIENT_SECRET
from gateway_hl7.simulator import clinic_day, send_day
from gateway_jane.simulator_identity import CLIENT_ID as JANE_CLIENT
from gateway_quickbooks.simulator import COMPANY, Company
from gateway_twilio.simulator import TwilioSimulator
from gateway_webhook.simulator import Receiver
from gateway_x12.simulator import file_835

HOST = "127.0.0.1"
FILES, CLAIMS = 3, 40
ANSWER_SECONDS = 60.0

_ANSWER = compile_path("MSA-1")
_NO_MESSAGE = b"PID|1||100001^^^PRACTICE^MR\r"
_START = re.compile(rb"(\^\^30\^)\d{14}")


class World(msgspec.Struct, kw_only=True):
    """Everything outside the gateway, running. ``acknowledged`` counts answers by code."""

    folder: Path
    api: ClinikoSimulator
    receiver: Receiver
    clinic: Eastside
    house: ClearinghouseSimulator
    twilio: TwilioSimulator
    company: Company
    group: Group
    config: DemoConfig
    servers: AsyncExitStack
    vendor: Vendor | None = None
    """The billing vendor, once it has a key."""
    withdrawn: Callable[[], bool] = bool
    """Whether the gateway knows of a withdrawn consent."""
    paid: Paid = msgspec.field(default_factory=Paid)
    acknowledged: dict[str, int] = {}

    @classmethod
    async def start(cls, folder: Path) -> World:
        """Start every system on loopback, with secrets made now."""
        api_key = f"{secrets.token_urlsafe(24).replace('-', '_')}-au2"
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
        path = folder / SECRET_FILE
        path.touch(mode=0o600)
        path.write_text(secret, encoding="ascii")
        for name in (MAILBOX, DROP, BANK_FOLDER):
            (folder / name).mkdir(exist_ok=True)
        api = ClinikoSimulator(synthetic_clinic(2, first_day=datetime.now(UTC).date()), api_key=api_key)
        receiver = Receiver(folder / "receiver.ndjson", [secret])
        clinic, house, twilio = Eastside(), clearinghouse(folder / MAILBOX), TwilioSimulator()
        company = Company(accounts=frozenset(ACCOUNTS.values()))
        company.receivables = RECEIVABLES
        async with AsyncExitStack() as stack:
            for one in (api, clinic, house, twilio, company):
                await one.start()
                stack.push_async_callback(one.stop)
            group = await Group.start(folder, stack)
            hook_url = await receiver.start()
            stack.push_async_callback(receiver.close)
            client, client_secret = company.oauth.client
            stack.callback(_forget, _tell(
                {
                    WESTSIDE_VARIABLE: group.api_key, JANE_VARIABLE: group.jane_secret,
                    API_KEY_VARIABLE: api_key, FHIR_VARIABLE: CLIENT_SECRET, SFTP_VARIABLE: house.password,
                    TWILIO_VARIABLE: twilio.token, BOOKS_VARIABLE: client, f"{BOOKS_VARIABLE}_SECRET": client_secret,
                    f"{BOOKS_VARIABLE}_TOKEN": company.oauth.refresh_token,
                }
            ))  # fmt: skip
            config = DemoConfig(
                mllp_port=free_port(), http_port=free_port(), noon=_noon(datetime.now(UTC)), api_url=api.base_url,
                westside_url=group.westside.base_url, riverside_url=group.riverside.base_url, jane_client=JANE_CLIENT,
                jane_tokens=TOKENS, extracts=EXTRACTS,
                hook_url=hook_url, fhir_url=clinic.fhir_base, fhir_client=CLIENT_ID, sftp_port=house.sftp.port,
                sftp_user=house.user, sftp_key=house.sftp.host_key, twilio_url=twilio.base_url,
                twilio_account=twilio.account, books_url=company.base_url, company=COMPANY,
            )  # fmt: skip
            return cls(
                folder=folder, api=api, receiver=receiver, clinic=clinic, house=house, twilio=twilio, company=company,
                group=group, config=config, servers=stack.pop_all(),
            )  # fmt: skip
        raise AssertionError("the stack holds no exception back")

    async def play(self, *, pause: float) -> None:
        """One clinic day: messages over MLLP, files into folders, and people at work in every system."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(pause))
            group.create_task(asyncio.to_thread(self._drop))
            group.create_task(self._work())
            group.create_task(self._treat())
        while any((self.folder / DROP).glob("*.835")):  # noqa: ASYNC110 - a folder sends no event
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End the billing vendor's program and close every server."""
        if self.vendor is not None:
            await self.vendor.kill()
        await self.servers.aclose()

    async def _treat(self) -> None:
        """Eastside's day: patients, their claims and their texts; the billing vendor reads along and crashes once."""
        await directory_known(self.folder)
        self.clinic.enrol()
        hooks = f"{self.config.http_url()}/hooks/{TEXTS}"
        async with asyncio.TaskGroup() as group:
            group.create_task(play_texts(self.clinic, self.twilio, hooks, self.withdrawn))
            payers = group.create_task(play_payers(self.folder, self.house, self.company))
            if self.vendor is not None:
                group.create_task(self.vendor.crash())
        self.paid = payers.result()

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
            leave(self.folder / DROP / f"remittance-{number}.835", whole)

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


def _noon(now: datetime) -> str:
    """A zone in which it is about noon."""
    return f"Etc/GMT{now.hour - 12:+d}" if now.hour != 12 else "Etc/GMT"


def _tell(variables: dict[str, str]) -> dict[str, str]:
    """Set environment variables, to which the settings refer."""
    os.environ.update(variables)
    return variables


def _forget(variables: dict[str, str]) -> None:
    for name in variables:
        os.environ.pop(name, None)
