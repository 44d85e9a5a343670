"""A mail server on this machine: STARTTLS with a certificate of its own, authentication before anything else.

Recipients can be given fates: a reply code refuses them. What it takes goes nowhere.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FAULTS = {
    "busy": "answers 451 to the recipient",
    "lost-answer": "takes a message and hangs up before the answer",
    "rejects": "answers 554 to the text",
}


class MailSimulator:
    """One server."""

    def __init__(self, folder: Path) -> None:
        self.user, self.password = "clinic", secrets.token_hex(8)
        self.host, self.port = "127.0.0.1", 0
        self.ca_file = folder / "mail.pem"
        self.messages: list[Message] = []
        self.refused: dict[str, int] = {}
        """Reply code by recipient."""
        self._faults: Counter[str] = Counter()
        self._recurring: frozenset[str] = frozenset()
        self._count = 0
        self._server: asyncio.Server | None = None

    def fail(self, fault: str, times: int = 1) -> None:
        """Show a fault of :data:`FAULTS` so many times from now on."""
        self._faults[fault] += times

    def recur(self, faults: Sequence[str]) -> None:
        """Show these faults to one message in ten."""
        self._recurring = frozenset(faults)

    def _takes(self, fault: str) -> bool:
        if fault in self._recurring:
            self._count += 1
            return self._count % 10 == 0
        if self._faults[fault] < 1:
            return False
        self._faults[fault] -= 1
        return True

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on the loopback."""
        from aiosmtpd.smtp import SMTP, AuthResult

        def authenticate(*given: Any) -> Any:
            login = given[-1]
            good = login.login == self.user.encode() and login.password == self.password.encode()
            return AuthResult(success=good, handled=False)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(self.ca_file))

        def serve() -> Any:
            return SMTP(
                self, hostname="mail.example.org", tls_context=context, require_starttls=True, auth_required=True,
                auth_require_tls=True, authenticator=authenticate, enable_SMTPUTF8=True,
            )  # fmt: skip

        self._server = await asyncio.get_running_loop().create_server(serve, host, port)
        self.host, self.port = host, self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - the name the library calls
        """Refuse or take one recipient."""
        del server, session, options
        if address in self.refused:
            return f"{self.refused[address]} refused"
        if self._takes("busy"):
            return "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the name the library calls
        """Take one message."""
        del session
        if self._takes("rejects"):
            return "554 not this"
        self.messages.append(BytesParser(policy=POLICY).parsebytes(envelope.content))
        if self._takes("lost-answer"):
            server.transport.abort()
        return "250 taken"


def _certificate(path: Path) -> str:
    """A key and a self-signed certificate for the loopback, in one PEM file; gives its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7)).add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return str(path)


class _MailServer:
    """The server as ``gateway simulate`` runs it."""

    name = "smtp"
    summary = "A mail server that asks for TLS and a password and keeps what it takes to itself."
    faults: Mapping[str, str] = FAULTS

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled."""
        del seed, clinic_size
        with tempfile.TemporaryDirectory(prefix="mail-") as folder:
            server = MailSimulator(Path(folder))
            server.recur(faults)
            await server.start(host, port)
            try:
                opened(
                    {
                        "host": host, "port": str(server.port), "user": server.user, "password": server.password,
                        "ca_file": str(server.ca_file), "allow_private": "true",
                    }
                )  # fmt: skip
                await asyncio.Event().wait()
            finally:
                await server.stop()


SIMULATORS = (_MailServer(),)
