"""One receiver: one connection, one message at a time, each after the answer to the one before."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import time
from collections.abc import Sequence

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.exchange import HELD, Ambiguous, Delivered, Delivery, Dispatch, Outcome, Rejected, Retry
from gateway.wire.mllp import Decoder, encode
from gateway_mllp.config import MllpConfig
from gateway_mllp.translate import content, control_id, outcome

ENOUGH = 60.0
"""Seconds after which a dispatch begins no new message: a slow receiver gets the rest in a later one."""
ANSWER_LIMIT = 64 * 1024

_LATER = Retry("receiver-too-slow")


def tls_context(config: MllpConfig, where: str) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the receiver's certificate checked; None for plaintext where that is allowed.

    Raises:
        InvalidConfiguration: a certificate cannot be used, or plaintext would leave the networks listed for it.
    """
    if config.plaintext:
        if not _plaintext_allowed(config):
            raise InvalidConfiguration(
                "Plaintext is for the loopback and listed networks only", where=f"{where}.plaintext",
                fix="Use TLS, or write host as an address and list its network in plaintext_networks.",
            )  # fmt: skip
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if config.tls.ca_file is not None:
            context = ssl.create_default_context(cafile=str(config.tls.ca_file))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.tls.certificate is not None and config.tls.key is not None:
            context.load_cert_chain(config.tls.certificate, config.tls.key)
    except OSError as error:
        raise InvalidConfiguration(
            f"A certificate cannot be used: {type(error).__name__}", where=f"{where}.tls",
            fix="Check that ca_file, certificate and key are PEM files that the gateway may read and that match.",
        ) from error  # fmt: skip
    return context


def _plaintext_allowed(config: MllpConfig) -> bool:
    """A name other than localhost could lead anywhere, so only an address can be in a listed network."""
    if config.host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(config.host)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in config.plaintext_networks)


class Receiver:
    """One route's receiver."""

    def __init__(self, config: MllpConfig, context: ssl.SSLContext | None) -> None:
        self._config = config
        self.endpoint = f"{config.host}:{config.port}"
        self._ssl = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._decoder = Decoder(ANSWER_LIMIT)
        self._answers: list[bytes] = []
        self._turn = asyncio.Lock()

    async def deliver(self, dispatch: Dispatch) -> Sequence[Outcome]:
        """Send the deliveries one by one; after a failure the later ones of the same order are held."""
        end = time.monotonic() + ENOUGH
        failed: set[str] = set()
        outcomes: list[Outcome] = []
        for delivery in dispatch.deliveries:
            if delivery.order in failed:
                outcomes.append(HELD)
                continue
            outcomes.append(_LATER if time.monotonic() > end else await self._send(delivery))
            if not isinstance(outcomes[-1], Delivered):
                failed.add(delivery.order)
        return outcomes

    async def probe(self, delivery: Delivery) -> Outcome:
        """HL7 v2 cannot be asked what arrived: the same message goes again under the same control id, if it may."""
        if not self._config.resend:
            return Rejected("answer-lost")
        return await self._send(delivery)

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):  # however it ended, it has ended
                await asyncio.wait_for(writer.wait_closed(), 1.0)
        self._decoder = Decoder(ANSWER_LIMIT)
        self._answers.clear()

    async def _send(self, delivery: Delivery) -> Outcome:
        try:
            body = _built(delivery, self._config)
        except InvalidContent as error:
            return Rejected(error.reason)
        if body is None:
            return Rejected(f"no-message-for-{delivery.type}")
        async with self._turn:
            try:
                async with asyncio.timeout(self._config.timeout):
                    writer = await self._connect()
            except (OSError, TimeoutError) as error:
                await self.close()
                return Retry("tls-failed" if isinstance(error, ssl.SSLError) else "no-connection")
            try:
                async with asyncio.timeout(self._config.timeout):
                    writer.write(encode(body))
                    await writer.drain()
                    return await self._answer_to(control_id(delivery))
            except TimeoutError:
                await self.close()
                return Ambiguous("no-acknowledgement")
            except (OSError, EOFError):
                await self.close()
                return Ambiguous("connection-lost")
            except BaseException:
                # Cancelled in the middle: what comes on this connection next answers nobody.
                await self.close()
                raise

    async def _connect(self) -> asyncio.StreamWriter:
        if self._streams is not None and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            await self.close()
        if self._streams is None:
            name = self._config.tls.server_name or self._config.host if self._ssl is not None else None
            self._streams = await asyncio.open_connection(
                self._config.host, self._config.port, ssl=self._ssl, server_hostname=name
            )
        return self._streams[1]

    async def _answer_to(self, wanted: str) -> Outcome:
        """The first acknowledgement that names the message; late answers to earlier ones are passed over."""
        while True:
            while self._answers:
                found = outcome(self._answers.pop(0), wanted)
                if found is not None:
                    return found
            data = await self._streams[0].read(ANSWER_LIMIT) if self._streams is not None else b""
            if not data:
                raise EOFError
            self._answers += [event for event in self._decoder.feed(data) if isinstance(event, bytes)]


def _built(delivery: Delivery, config: MllpConfig) -> bytes | None:
    found = content(delivery, config)
    if found is None:
        return None
    from gateway_mllp.strict import build  # hl7apy is loaded with the first message, not with the gateway

    return build(found)
