"""Peers that nobody here wrote talk to the listener: python-hl7, a message built by hl7apy, a raw TLS socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.mapping import Mapping
from gateway.model.patch import Normalized
from gateway.testing.recording_intake import RecordingIntake
from gateway_hl7.config import Hl7Config
from gateway_hl7.plugin import Hl7Adapter
from gateway_hl7.transport import Listener
from tests.waiting import PATIENCE

ADAPTER = Hl7Adapter()
MAPPING = Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")
HEAD = "MSH|^~\\&|APP|NORTH|GW|HUB|20260105080000||ADT^A08^ADT_A01|{id}|P|2.5.1\r"


@asynccontextmanager
async def listening(intake: RecordingIntake, **settings: Any) -> AsyncIterator[int]:
    """A listener on a free port."""
    listener = Listener("north", Hl7Config.model_validate({"port": 0} | settings))
    opened = asyncio.Event()
    task = asyncio.create_task(listener.run(intake, opened.set))
    try:
        await asyncio.wait_for(opened.wait(), PATIENCE)
        assert listener.server is not None
        yield listener.server.port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def talk(peer: Callable[[int], Any], **settings: Any) -> tuple[Any, RecordingIntake]:
    """What a blocking peer says at the end, and what was stored."""
    intake = RecordingIntake()

    async def run() -> Any:
        async with listening(intake, **settings) as port:
            return await asyncio.wait_for(asyncio.to_thread(peer, port), PATIENCE)

    return asyncio.run(run()), intake


def normalized(intake: RecordingIntake) -> list[Normalized]:
    """What the stored messages mean."""
    normalize = ADAPTER.normalizer(Hl7Config(), MAPPING)
    return [normalize(item.body, item.context) for item in intake.items]


def test_a_python_hl7_client_is_answered() -> None:
    """The client reads our acknowledgement with its own parser, finds its control id, and a repeat gets the same."""
    client = pytest.importorskip("hl7.client", reason="python-hl7 is a peer of the tests")
    parser = pytest.importorskip("hl7")
    text = HEAD.format(id="77") + "PID|1||7^^^A^MR||DOE^JO\r"

    def peer(port: int) -> list[bytes]:
        with client.MLLPClient("127.0.0.1", port) as connection:
            return [connection.send_message(parser.parse(text)) for _ in range(2)]

    answers, intake = talk(peer)
    first = parser.parse(answers[0].strip(b"\x0b\x1c\r").decode())
    assert (str(first.segment("MSA")[1]), str(first.segment("MSA")[2])) == ("AA", "77")
    assert answers[0] == answers[1]
    assert len(intake.items) == 1


def test_a_message_built_by_hl7apy_is_understood() -> None:
    """What the standard's library builds, sent by python-hl7, means what its author wrote."""
    core = pytest.importorskip("hl7apy.core", reason="the [hl7] extra is not installed")
    client = pytest.importorskip("hl7.client", reason="python-hl7 is a peer of the tests")
    message = core.Message("ADT_A01", version="2.5.1")
    message.msh.msh_9 = "ADT^A01^ADT_A01"
    message.msh.msh_10 = "built-1"
    message.msh.msh_11 = "P"
    message.pid.pid_3 = "9^^^A^MR"
    message.pid.pid_5 = "O\\T\\NEIL^JO"
    message.pv1.pv1_2 = "O"
    message.pv1.pv1_19 = "V9"

    def peer(port: int) -> bytes:
        with client.MLLPClient("127.0.0.1", port) as connection:
            answer: bytes = connection.send(b"\x0b" + message.to_er7().encode() + b"\r\x1c\r")
            return answer

    answer, intake = talk(peer)
    assert b"MSA|AA|built-1" in answer
    patches = {patch.type: patch for patch in normalized(intake)[0].patches}
    assert patches["Patient"].fields["name"]["family"] == "O&NEIL"
    assert patches["Visit"].native_id == "V9"


MESS = {
    "odd-delimiters": (b"MSH$%*!@$APP$F$G$H$20260105$$ADT%A08$1$P$2.3\rPID$1$$7%%%A%MR*8$$DOE!S!X%JO\r", "DOE%X"),
    "crlf": (HEAD.format(id="1").encode() + b"\nPID|1||7||DOE^JO\r\n\r\n", "DOE"),
    "hexadecimal": (HEAD.format(id="1").encode() + b"PID|1||7||D\\X4F45\\^JO\r", "DOE"),
    "line-break": (HEAD.format(id="1").encode() + b"PID|1||7||D\\.br\\E^JO\r", "D\nE"),
    "stray-escape": (HEAD.format(id="1").encode() + b"PID|1||7||D\\E^JO\r", "D\\E"),
    "trailing-delimiters": (HEAD.format(id="1").encode() + b"PID|1||7^^^^^^||DOE^JO^^^^^^|||||||||||\r", "DOE"),
    "no-event-in-header": (b"MSH|^~\\&|A|B|C|D|20260105||ADT|1|P|2.3\rEVN|A08|20260105\rPID|1||7||DOE^JO\r", "DOE"),
    "old-version": (b"MSH|^~\\&|A|B|C|D|20260105||ADT^A08|1|P|2.1\rPID|1||7||DOE^JO\r", "DOE"),
    "wrong-version": (b"MSH|^~\\&|A|B|C|D|20260105||ADT^A08|1|P|2.51x\rPID|1||7||DOE^JO\r", "DOE"),
    "latin-1": (b"MSH|^~\\&|A|B|C|D|20260105||ADT^A08|1|P|2.5||||||8859/1\rPID|1||7||D\xd6E^JO\r", "D\u00d6E"),
    "windows-1252": (HEAD.format(id="1").encode() + b"PID|1||7||D\x92E^JO\r", "D\u2019E"),
    "utf-8-unsaid": (HEAD.format(id="1").encode() + "PID|1||7||DÖE^JO\r".encode(), "D\u00d6E"),
    "utf-16": (HEAD.format(id="1").encode("utf-16") + "PID|1||7||DÖE^JO\r".encode("utf-16-le"), "D\u00d6E"),
    "nulls": (HEAD.format(id="1").encode() + b'PID|1||7||DOE^""||""|\rZZZ|1|x\r', "DOE"),
}


@pytest.mark.parametrize("mess", MESS)
def test_what_real_senders_send_is_read(mess: str) -> None:
    """Whatever a sender does to the standard, the message is stored, acknowledged AA and means what was meant."""
    body, family = MESS[mess]

    def peer(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(b"\x0b" + body + b"\x1c\r")
            return connection.recv(4096)

    answer, intake = talk(peer)
    assert b"MSA" in answer
    assert b"AA" in answer
    (result,) = normalized(intake)
    assert result.patches[0].fields["name"]["family"] == family
    if mess == "nulls":
        assert result.patches[0].fields["birth_date"] is None
        assert "sex" not in result.patches[0].fields
        assert "ZZZ-2" in result.residue


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback, its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "c.pem", folder / "k.pem"


def test_a_raw_tls_socket_sends_byte_by_byte(tmp_path: Path) -> None:
    """Two messages in single bytes over TLS, the second begun before the first is answered: two answers, in order."""
    certificate, key = _certificate(tmp_path)
    frames = b"".join(
        b"\x0b" + HEAD.format(id=number).encode() + b"PID|1||7||DOE^JO\r\x1c\r" for number in ("a1", "a2")
    )

    def peer(port: int) -> bytes:
        context = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.settimeout(PATIENCE)
            for byte in frames:
                connection.sendall(bytes([byte]))
            answer = b""
            while answer.count(b"\x1c\r") < 2:
                answer += connection.recv(4096)
            return answer

    answer, intake = talk(peer, tls={"certificate": certificate, "key": key})
    assert answer.index(b"MSA|AA|a1") < answer.index(b"MSA|AA|a2")
    assert [item.control_id for item in intake.items] == ["a1", "a2"]
