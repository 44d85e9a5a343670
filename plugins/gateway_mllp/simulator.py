"""A receiver of HL7 v2 over MLLP that records: acts on each control id once, and answers a repeat as the first time.

Run it with ``gateway simulate mllp``; faults hit one message in ten, in turn.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from gateway.errors import InvalidContent, MalformedEnvelope
from gateway.transport.mllp import MllpServer, Reply
from gateway.wire.hl7_header import acknowledge, glance, peek

Fault = Literal["refuse", "busy", "silent", "drop", "late"]
"""AE. AR with 207. Acted on, never answered. Closed before anything is done. Acted on, answered after a second."""


class RecordingReceiver:
    """A receiver on this machine.

    Args:
        context: TLS settings of the listener; plaintext without.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.messages: list[bytes] = []
        """What was acted on: each control id once."""
        self.repeats = 0
        self.conflicts = 0
        """Repeats whose bytes were others: the sender broke its word."""
        self.recurring: tuple[str, ...] = ()
        self._seen: dict[str, tuple[int, bytes]] = {}
        self._faults: deque[Fault] = deque()
        self._owed: list[Reply] = []
        self._numbers = itertools.count(1)
        self._server = MllpServer("127.0.0.1", 0, self._receive, oversized=self._oversized, ssl=context)

    def fail(self, *faults: Fault) -> None:
        """Let the next messages suffer these faults, in turn."""
        self._faults.extend(faults)

    async def start(self, port: int = 0) -> int:
        """Listen on the loopback; gives the port."""
        self._server.port = port
        await self._server.start()
        return self._server.port

    async def close(self) -> None:
        """Stop listening; who waits for an answer is hung up on."""
        for reply in self._owed:
            reply(None)
        await self._server.close()

    def _receive(self, frame: bytes, reply: Reply) -> None:
        fault = self._faults.popleft() if self._faults else self._recurs()
        if fault == "drop":
            reply(None)
            return
        try:
            header = peek(frame)
        except MalformedEnvelope as error:
            reply(acknowledge(glance(frame), "AR", "R1", error))
            return
        if fault == "refuse":
            refusal = InvalidContent("refused", "The receiver was told to refuse", where="PID-3")
            reply(acknowledge(header, "AE", "R1", refusal))
        elif fault == "busy":
            reply(acknowledge(header, "AR", "R1", InvalidContent("busy", "The receiver was told to be busy")))
        else:
            number = self._act(header.control_id, frame)
            answer = acknowledge(header, "CA" if header.field(15) else "AA", f"R{number}")
            if fault == "late":
                asyncio.get_running_loop().call_later(1.0, reply, answer)
            elif fault == "silent":
                self._owed.append(reply)
            else:
                reply(answer)

    def _oversized(self, head: bytes, reply: Reply) -> None:
        reply(acknowledge(glance(head), "AR", "R1", MalformedEnvelope("message-too-large", "The message is too long")))

    def _act(self, control_id: str, frame: bytes) -> int:
        """The effect, once per control id; gives its number."""
        number, first = self._seen.setdefault(control_id, (len(self._seen) + 1, frame))
        if number > len(self.messages):
            self.messages.append(frame)
        else:
            self.repeats += 1
            self.conflicts += first != frame
        return number

    def _recurs(self) -> str | None:
        tens, rest = divmod(next(self._numbers), 10)
        return self.recurring[tens % len(self.recurring)] if self.recurring and not rest else None


class _Receiver:
    """The receiver as ``gateway simulate`` runs it."""

    name = "mllp"
    summary = "A receiver of HL7 v2 over MLLP that acts on each control id once."
    faults: Mapping[str, str] = {
        "refuse": "answers AE",
        "busy": "answers AR: cannot take it now",
        "silent": "acts and never answers",
        "drop": "hangs up before it acts",
        "late": "answers after a second",
    }

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Receive until cancelled."""
        del host, seed, clinic_size  # it has no clinic, and listens on the loopback always
        receiver = RecordingReceiver()
        receiver.recurring = tuple(faults)
        try:
            opened({"host": "127.0.0.1", "port": str(await receiver.start(port)), "plaintext": "true"})
            await asyncio.Event().wait()
        finally:
            await receiver.close()


SIMULATORS = (_Receiver(),)
