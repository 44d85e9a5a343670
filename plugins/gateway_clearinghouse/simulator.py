"""A clearinghouse on this machine: a CORE service (SOAP and MIME) and an SFTP mailbox before one simulated payer.

It reads CORE envelopes by its own few lines. Files put into ``upload/`` are answered in ``download/``: TA1 and 999,
then 277CA, 271, 277 or 278, and after ``remit_after`` seconds an 835 for the claims that came.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from gateway.testing.sftp_server import SftpServer
from gateway.testing.simulated_folder import leave
from gateway_clearinghouse.simulator_core import SERVER_FAULT, mime_answer, read, soap_answer
from gateway_clearinghouse.simulator_payer import SimulatedPayer
from gateway_clearinghouse.translate_core import checksum

FAULTS: Mapping[str, str] = {
    "busy": "answers status 429 and names a time",
    "lost-answer": "does what is asked and breaks the connection before the answer",
    "html": "answers a web page with status 200",
    "payer-down": "answers that the payer cannot respond now",
    "server-error": "answers a SOAP fault that is its own",
    "file-refused": "answers a 999 that refuses what was sent",
    "claim-refused": "answers a 277CA that refuses the claim",
}


class ClearinghouseSimulator:
    """One clearinghouse.

    Args:
        folder: where the mailbox's ``upload`` and ``download`` folders are made.
        seed: of the payer's decisions.
        remit_after: seconds between a claim and the 835 that pays it.
    """

    def __init__(self, folder: Path, seed: int = 1, remit_after: float = 1.0) -> None:
        self.payer = SimulatedPayer(seed, shows=self._takes)
        self.user, self.password = "clinic", secrets.token_hex(8)
        self.url = ""
        self.requests: Counter[str] = Counter()
        """How many requests came, by action or ``unauthorized``."""
        self.sftp = SftpServer(folder, {self.user: self.password})
        self._folder = folder
        self._remit_after = remit_after
        self._faults: Counter[str] = Counter()
        self._batches: dict[str, bytes] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    def fail(self, fault: str, times: int = 1) -> None:
        """Show a fault of :data:`FAULTS` so many times from now on."""
        self._faults[fault] += times

    def _takes(self, fault: str) -> bool:
        if self._faults[fault] < 1:
            return False
        self._faults[fault] -= 1
        return True

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen with both, and watch the mailbox."""
        for name in ("upload", "download"):
            (self._folder / name).mkdir(exist_ok=True)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/core", self._core)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}/core"
        await self.sftp.start(host)
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """Close both and stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sftp.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- the mailbox -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        due: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            for path in sorted((self._folder / "upload").glob("[!.]*")):
                replies = self.payer.take(path.read_bytes(), datetime.now(UTC))
                for number, data in enumerate([*replies.acknowledgements, *replies.answers]):
                    leave(self._folder / "download" / f"{path.stem}-{number}.x12", data)
                path.unlink()
                due = due or loop.time() + self._remit_after
            if due is not None and loop.time() >= due:
                due = None
                remittance = self.payer.remit(datetime.now(UTC))
                if remittance is not None:
                    leave(self._folder / "download" / f"remittance-{remittance[90:99].decode()}.835", remittance)
            await asyncio.sleep(0.05)

    # --- CORE --------------------------------------------------------------------------------------------------------

    async def _core(self, request: web.Request) -> web.StreamResponse:
        if self._takes("busy"):
            return web.Response(status=429, headers={"retry-after": "1"})
        if self._takes("html"):
            return web.Response(text="<html><body>Down for maintenance</body></html>", content_type="text/html")
        if self._takes("server-error"):
            return web.Response(text=SERVER_FAULT, content_type="application/soap+xml", status=500)
        fields = read(request.headers["content-type"], await request.read())
        self.payer.down = self._takes("payer-down")
        error, payload = self._handle(fields)
        if self._takes("lost-answer"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        soap = not request.content_type.startswith("multipart/form-data")
        return (soap_answer if soap else mime_answer)(fields, error, payload)

    def _handle(self, fields: Mapping[str, bytes]) -> tuple[str, bytes]:
        """Error code and payload of one request."""
        if fields.get("UserName") != self.user.encode() or fields.get("Password") != self.password.encode():
            self.requests["unauthorized"] += 1
            return "UnAuthorized", b""
        id = fields["PayloadID"].decode()
        mode, type = fields["ProcessingMode"].decode(), fields["PayloadType"].decode()
        self.requests[type] += 1
        if fields["CORERuleVersion"] != b"2.2.0":
            return "VersionMismatch", b""
        if type == "X12_BatchReceiptConfirmation":
            known = self._batches.get(id)
            return ("Success", known) if known is not None else ("PayloadIDIllegal", b"")
        data = fields.get("Payload", b"")
        if not data.startswith(b"ISA"):
            return "PayloadRequired", b""
        whole = mode != "Batch" or (fields["CheckSum"].decode(), fields["PayloadLength"].decode()) == (
            checksum(data),
            str(len(data)),
        )
        if not whole:
            return "ChecksumMismatched", b""
        replies = self.payer.take(data, datetime.now(UTC))
        early = replies.acknowledgements if mode == "Batch" or not replies.answers else replies.answers
        answer = early[0] if early else b""
        if mode == "Batch":
            self._batches.setdefault(id, answer)
            for number, late in enumerate(replies.answers):
                leave(self._folder / "download" / f"{id}-{number}.x12", late)
            answer = self._batches[id]
        elif self.payer.down:
            self.payer.taken.clear()  # the payer never saw it: the same question may come again
        return "Success", answer


class _Clearinghouse:
    """What ``gateway simulate clearinghouse`` runs."""

    name = "clearinghouse"
    summary = "A clearinghouse with an SFTP mailbox and a CAQH CORE service before one payer."
    faults = FAULTS

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled; a fault that is named shows itself all the time."""
        del clinic_size  # whoever sends brings the patients
        async with AsyncExitStack() as stack:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="clearinghouse-"))
            simulator = ClearinghouseSimulator(Path(place), seed)
            for fault in faults:
                simulator.fail(fault, 1_000_000_000)
            await simulator.start(host, port)
            stack.push_async_callback(simulator.stop)
            opened(
                {
                    "receiver_id": "CH001", "upload": "upload", "sftp.host": host,
                    "sftp.port": str(simulator.sftp.port), "sftp.host_keys": simulator.sftp.host_key,
                    "sftp.user": simulator.user, "sftp.password": simulator.password,
                    "url": simulator.url, "user": simulator.user, "password": simulator.password,
                    "allow_loopback": "true",
                }
            )  # fmt: skip
            await asyncio.Event().wait()


SIMULATORS = (_Clearinghouse(),)
