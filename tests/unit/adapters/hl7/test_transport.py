"""From frame to answer: nothing is acknowledged before its receipt, and every refusal is evidence."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.errors import Backpressure, InvalidConfiguration, LimitExceeded, SourceUnavailable
from gateway.model.exchange import Fate, Receipt
from gateway.testing.ports import free_port
from gateway.testing.recording_intake import RecordingIntake
from gateway.wire.hl7 import Message
from gateway.wire.hl7_path import compile_path
from gateway.wire.mllp import encode
from gateway_hl7.config import Hl7Config
from gateway_hl7.simulator import clinic_day, send_day
from gateway_hl7.transport import Folder, Listener, transports
from tests.waiting import PATIENCE, until

SILENCE = 0.3
"""Seconds without an answer that count as none."""
SIU = b"MSH|^~\\&|APP|NORTH|GW|HUB|20260105||SIU^S12|42|P|2.5.1|||%s\rPID|1||7^^^A^MR\r"


@asynccontextmanager
async def listening(intake, **settings):
    """A listener on a free port."""
    listener = Listener("north", Hl7Config(port=0, **settings))
    task = asyncio.create_task(listener.run(intake, lambda: None))
    try:
        await until(lambda: task.done() or (listener.server is not None and listener.server.port))
        assert not task.done(), task.exception()
        yield listener.server.port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def exchange(port: int, frame: bytes, tls=None, patience: float = PATIENCE) -> bytes:
    """Send one frame and read one answer; empty when the listener hangs up, or stays silent for ``patience``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        writer.write(encode(frame))
        async with asyncio.timeout(patience):
            return (await reader.readuntil(b"\x1c\r"))[1:-2]
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return b""
    finally:
        writer.close()


def ask(frame: bytes, intake=None, patience: float = PATIENCE, **settings) -> bytes:
    async def run():
        async with listening(intake or RecordingIntake(), **settings) as port:
            return await exchange(port, frame, patience=patience)

    return asyncio.run(run())


def field(answer: bytes, path: str):
    return compile_path(path)(Message(answer))


def test_a_stored_message_is_acknowledged():
    """AA with the sender's control id, sender and receiver swapped, the first answer again for a repeat."""
    intake = RecordingIntake()
    first = ask(SIU % b"", intake)
    assert first == (
        b"MSH|^~\\&|GW|HUB|APP|NORTH|20260105||ACK^S12^ACK|A0|P|2.5.1\rMSA|AA|42\r"
    )  # fmt: skip
    assert ask(SIU % b"", intake) == first
    assert [(item.control_id, item.kind, item.order_key) for item in intake.items] == [("42", "SIU^S12", "7^A")]


def test_a_header_fault_is_refused_with_place_and_evidence():
    """AR names the place in ERR, and the bytes are kept before it is said."""
    intake = RecordingIntake()
    frame = b"MSH|^~\\&|APP|NORTH|GW|HUB|20260105||SIU^S12||P|2.5.1\rPID|1||SECRET"
    answer = ask(frame, intake)
    assert (field(answer, "MSA-1"), field(answer, "ERR-2"), field(answer, "ERR-3.1")) == ("AR", "MSH^1^10", "101")
    assert b"SECRET" not in answer
    assert intake.refused == [(frame, "AR", "no-control-id")]
    assert intake.items == []


def test_a_long_frame_is_refused():
    """A message above the limit gets AR, with its control id when the head shows it."""
    intake = RecordingIntake()
    answer = ask(SIU % b"" + b"x" * 5000, intake, max_message_bytes=1024)
    assert (field(answer, "MSA-1"), field(answer, "MSA-2")) == ("AR", "42")
    assert intake.refused[0][2] == "message-too-large"


def test_unknown_facilities_are_refused():
    """Where facilities are listed, others get AR and store nothing but evidence."""
    intake = RecordingIntake()
    assert field(ask(SIU % b"", intake, facilities=("SOUTH",)), "MSA-1") == "AR"
    assert field(ask(SIU % b"", intake, facilities=("NORTH",)), "MSA-1") == "AA"
    assert [reason for _, _, reason in intake.refused] == ["unknown-sender"]


def test_acknowledgements_are_stored_and_never_answered():
    """An answer to an answer would never end."""
    intake = RecordingIntake()
    assert ask(b"MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\rMSA|AA|1\r", intake, SILENCE) == b""
    assert len(intake.items) == 1


@pytest.mark.parametrize(
    ("wish", "code"), [(b"AL", "CA"), (b"SU", "CA"), (b"ER", None), (b"NE", None), (b"", "AA")]
)  # fmt: skip
def test_enhanced_mode_answers_as_asked(wish, code):
    """MSH-15 decides over CA and silence; without it the original mode holds."""
    answer = ask(SIU % wish, patience=PATIENCE if code else SILENCE, acknowledgement="enhanced")
    assert (field(answer, "MSA-1") if answer else None) == code


def test_no_answer_before_the_receipt():
    """The acknowledgement follows the commit, never the message."""

    class Slow(RecordingIntake):
        def submit(self, item, done):
            self.done = done

    async def run():
        intake = Slow()
        async with listening(intake) as port:
            answer = asyncio.create_task(exchange(port, SIU % b""))
            await until(lambda: hasattr(intake, "done"))
            await asyncio.sleep(0.1)
            assert not answer.done()
            intake.done(Receipt(5, repeat=False, conflict=False))
            assert b"|A5|" in await answer

    asyncio.run(run())


class Refusing(RecordingIntake):
    """Fails so many submits with an error of the test's choice."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error = error
        self.times = times

    def submit(self, item, done):
        if self.times:
            self.times -= 1
            done(self.error)
        else:
            super().submit(item, done)


def test_a_message_waits_for_a_store_that_comes_back():
    """Backpressure and a store that is away hold the message, and it is stored once."""
    intake = Refusing(Backpressure("busy", after=0.01), 3)
    assert field(ask(SIU % b"", intake), "MSA-1") == "AA"
    assert len(intake.items) == 1


def test_a_store_that_stays_away_gets_no_acknowledgement():
    """After the wait the listener hangs up: no AA, and no AE that would make a sender drop its message."""
    intake = Refusing(Backpressure("busy", after=0.01), 10_000)
    assert ask(SIU % b"", intake, hold_seconds=0.05) == b""
    assert intake.items == []


def test_a_fault_of_ours_hangs_up():
    """An unexpected error is no answer to the sender."""
    assert ask(SIU % b"", Refusing(RuntimeError("bug"), 1)) == b""


def test_what_intake_rejects_is_refused():
    """A limit of the core is told like one of ours, with evidence."""
    intake = Refusing(LimitExceeded("message-too-large", "Too long."), 1)
    assert field(ask(SIU % b"", intake), "MSA-1") == "AR"
    assert intake.refused[0][1:] == ("AR", "message-too-large")


def test_evidence_that_cannot_be_kept_is_not_answered():
    """AR follows the commit of its evidence as AA follows that of the message."""
    intake = RecordingIntake()
    intake.fail_next = 1
    assert ask(b"no header", intake) == b""


def test_a_clinic_day_is_acknowledged_whole():
    """The simulator's day over a real socket: every message AA, in order."""
    intake = RecordingIntake()
    day = clinic_day(visits=20, patients=5)
    codes: list[tuple[str, str]] = []

    async def run():
        async with listening(intake) as port:
            return await send_day("127.0.0.1", port, day, lambda control_id, code: codes.append((control_id, code)))

    assert asyncio.run(run()) == len(day) == len(codes)
    assert [item.body for item in intake.items] == day
    assert [item.control_id for item in intake.items] == [control_id for control_id, _ in codes]


def certificate(folder):
    """A self-signed certificate for loopback; returns (certificate path, key path)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "c.pem", folder / "k.pem"


def test_tls_with_client_certificates(tmp_path):
    """With client_ca only a client with a certificate is served; a plain client gets nothing."""
    cert, key = certificate(tmp_path)
    intake = RecordingIntake()

    async def run():
        async with listening(intake, tls={"certificate": cert, "key": key, "client_ca": cert}) as port:
            stranger = ssl.create_default_context(cafile=cert)
            stranger.check_hostname = False
            friend = ssl.create_default_context(cafile=cert)
            friend.check_hostname = False
            friend.load_cert_chain(cert, key)
            with suppress(ssl.SSLError):
                assert await exchange(port, SIU % b"", stranger) == b""
            assert await exchange(port, SIU % b"") == b""
            assert intake.items == []
            return await exchange(port, SIU % b"", friend)

    assert field(asyncio.run(run()), "MSA-1") == "AA"


def test_a_client_whose_serial_is_denied_is_refused(tmp_path):
    """What denied_serials names is let in no more; without client_ca the setting is refused."""
    cert, key = certificate(tmp_path)
    serial = x509.load_pem_x509_certificate(cert.read_bytes()).serial_number
    (tmp_path / "denied").write_text(f"{serial:x}\n")
    intake = RecordingIntake()
    tls = {"certificate": cert, "key": key, "client_ca": cert, "denied_serials": tmp_path / "denied"}

    async def run():
        async with listening(intake, tls=tls) as port:
            former = ssl.create_default_context(cafile=cert)
            former.check_hostname = False
            former.load_cert_chain(cert, key)
            with suppress(OSError):
                assert await exchange(port, SIU % b"", former) == b""

    asyncio.run(run())
    assert intake.items == []
    with pytest.raises(ValueError, match="client_ca"):
        Hl7Config(tls={"certificate": cert, "key": key, "denied_serials": tmp_path / "denied"})


def test_a_bad_certificate_is_a_matter_of_configuration(tmp_path):
    """A certificate that cannot be read is told with its cure, before anything listens."""
    settings = Hl7Config(port=0, tls={"certificate": tmp_path / "none", "key": tmp_path / "none"})
    with pytest.raises(InvalidConfiguration):
        asyncio.run(Listener("north", settings).run(RecordingIntake(), lambda: None))


def test_files_are_taken_from_the_folder(tmp_path):
    """A dropped batch is stored and archived."""
    day = clinic_day(visits=5, patients=3)
    (tmp_path / "day.hl7").write_bytes(b"\r".join(day))
    intake = RecordingIntake()

    async def run():
        folder = Folder(tmp_path, Hl7Config(folder=tmp_path, poll_seconds=0.05))
        running = asyncio.create_task(folder.run(intake, lambda: None))
        await until((tmp_path / "archive" / "day.hl7").exists)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    assert len(intake.items) == len(day)
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["day.hl7"]


def test_ways_in_are_those_that_are_configured(tmp_path):
    """A source listens, watches a folder, does both or neither."""
    assert [type(way) for way in transports("n", Hl7Config())] == [Listener]
    assert [type(way) for way in transports("n", Hl7Config(listen=False, folder=tmp_path))] == [Folder]
    assert transports("n", Hl7Config(listen=False)) == []


def test_a_sender_gives_up_in_words():
    """The simulator's sender ends with an error of the family when no one answers."""

    async def run():
        await send_day("127.0.0.1", free_port(), [SIU % b""], attempts=1, timeout=0.2)

    with pytest.raises(SourceUnavailable):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("wanted", "fate", "code"),
    [
        (b"AL", "normalized", "AA"), (b"AL", "suppressed", "AA"), (b"AL", "quarantined", "AE"),
        (b"ER", "quarantined", "AE"), (b"ER", "normalized", None), (b"SU", "normalized", "AA"),
        (b"SU", "quarantined", None), (b"NE", "quarantined", None), (b"", "quarantined", None),
    ],
)  # fmt: skip
def test_the_application_acknowledgement_follows_where_it_is_wanted(wanted, fate, code):
    """MSH-16 decides whether the sender hears, after CA, what became of the content; AE names its place."""
    intake = RecordingIntake()
    intake.fates[0] = Fate(outcome=fate, reason="not-a-time", place="SCH-11.4", fix="Correct it.")

    async def run():
        async with listening(intake, acknowledgement="enhanced") as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(encode(SIU % (b"AL|" + wanted)))
            first = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), PATIENCE)
            assert b"MSA|CA|42" in first
            try:
                second = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), PATIENCE if code else SILENCE)
            except TimeoutError:
                second = b""
            writer.close()
            return second

    second = asyncio.run(run())
    assert bool(second) == bool(code)
    assert not code or f"MSA|{code}|42".encode() in second
    assert (b"ERR|" in second) == (code == "AE")
    assert (b"ERR||SCH^1^11^1^4|" in second) == (code == "AE")


def test_a_peer_that_left_is_told_nothing_more():
    """An application acknowledgement that comes after its connection has ended harms nobody."""

    class Late(RecordingIntake):
        async def fate(self, receipt):
            await asyncio.sleep(0.1)
            return Fate(outcome="normalized")

    async def run():
        async with listening(Late(), acknowledgement="enhanced") as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(encode(SIU % b"AL|AL"))
            await asyncio.wait_for(reader.readuntil(b"\x1c\r"), PATIENCE)
            writer.close()
            await asyncio.sleep(0.2)
            assert await exchange(port, SIU % b"AL|NE")

    asyncio.run(run())
