"""A real receiver on the loopback gets every message once and in order, whatever it does."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

pytest.importorskip("hl7apy", reason="the [hl7] extra is not installed")

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import HELD, Ambiguous, Delivered, Delivery, Dispatch, Rejected, Retry
from gateway_mllp.config import MllpConfig
from gateway_mllp.plugin import MllpSink
from gateway_mllp.simulator import RecordingReceiver
from gateway_mllp.sink import Receiver, tls_context


def delivery(number: int, order: str = "a", type: str = "Patient") -> Delivery:
    return Delivery(
        key=f"k{number}", change="created", type=type, record_id=f"r{number}", order=order, version=1,
        at="2026-01-05T14:00:00Z", source="s", observed_at="2026-01-05T14:00:00Z", fields=("sex",),
        body=msgspec.json.encode({"sex": "male"}),
    )  # fmt: skip


def sending(*deliveries: Delivery, prepare=lambda receiver: None, context=None, **settings):
    """The outcomes of one dispatch at a new receiver, and the receiver."""

    async def run():
        receiver = RecordingReceiver(context)
        port = await receiver.start()
        prepare(receiver)
        plain = {"plaintext": True} if context is None else {}
        config = MllpConfig.model_validate({"host": "127.0.0.1", "port": port, "timeout": 2.0} | plain | settings)
        sink = Receiver(config, tls_context(config, "routes.r"))
        try:
            async with asyncio.timeout(20):
                outcomes = await sink.deliver(Dispatch(id="d", route="r", deliveries=deliveries))
                probed = [
                    await sink.probe(one)
                    for one, outcome in zip(deliveries, outcomes, strict=True)
                    if isinstance(outcome, Ambiguous)
                ]
        finally:
            await sink.close()
            await receiver.close()
        return list(outcomes), probed, receiver

    return asyncio.run(run())


def test_deliveries_arrive_in_order_and_are_evidenced():
    """Each change is one message, in order, and its receipt is the receiver's own acknowledgement."""
    outcomes, _, receiver = sending(*(delivery(number) for number in range(1, 6)))
    assert outcomes == [Delivered(f"AA R{number}") for number in range(1, 6)]
    assert [b"r%d^" % number in message for number, message in enumerate(receiver.messages, 1)] == [True] * 5


def test_enhanced_mode_takes_the_accept_acknowledgement():
    """The header asks for an accept acknowledgement, and CA is the receipt."""
    outcomes, _, receiver = sending(delivery(1), enhanced=True)
    assert outcomes == [Delivered("CA R1")]
    assert b"|AL|NE" in receiver.messages[0]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("refuse", Rejected("AE 207")), ("busy", Retry("AR 207")), ("drop", Ambiguous("connection-lost")),
     ("silent", Ambiguous("no-acknowledgement"))],
)  # fmt: skip
def test_a_fault_stops_its_patient_only(fault, outcome):
    """Whatever happens to one message, later ones of its order are held and all others go on."""
    outcomes, _, receiver = sending(
        delivery(1), delivery(2), delivery(3, "b"), prepare=lambda one: one.fail(fault), timeout=1.0
    )
    assert outcomes[0] == outcome
    assert outcomes[1] == HELD
    assert isinstance(outcomes[2], Delivered)
    assert len(receiver.messages) == 1 + isinstance(outcome, Ambiguous)  # what is in doubt was probed


def test_a_lost_answer_makes_no_second_effect():
    """After a timeout the same message goes again under the same control id, and the receiver acts once."""
    outcomes, probed, receiver = sending(delivery(1), prepare=lambda one: one.fail("silent"), timeout=1.0)
    assert outcomes == [Ambiguous("no-acknowledgement")]
    assert probed == [Delivered("AA R1")]
    assert (len(receiver.messages), receiver.repeats, receiver.conflicts) == (1, 1, 0)


def test_a_lost_answer_can_be_left_to_a_person():
    """Where the receiver does not compare control ids nothing is sent again."""
    outcomes, probed, receiver = sending(delivery(1), prepare=lambda one: one.fail("silent"), timeout=1.0, resend=False)
    assert isinstance(outcomes[0], Ambiguous)
    assert probed == [Rejected("answer-lost")]
    assert (len(receiver.messages), receiver.repeats) == (1, 0)


def test_a_late_answer_is_not_taken_for_the_next():
    """An answer to another message is passed over: each message waits for its own."""

    async def run():
        async def serve(reader, writer):
            for code in (b"AA", b"AE"):
                frame = await reader.readuntil(b"\x1c\r")
                for control_id, said in ((b"someone-else", b"AR"), (frame.split(b"|")[9], code)):
                    answer = b"MSH|^~\\&|R|R|G|G|2026||ACK|7|P|2.5\rMSA|" + said + b"|" + control_id
                    writer.write(b"\x0b" + answer + b"\r\x1c\r")
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        sink = Receiver(MllpConfig(host="127.0.0.1", port=port, plaintext=True, timeout=5.0), None)
        try:
            async with asyncio.timeout(60):
                return await sink.deliver(Dispatch(id="d", route="r", deliveries=(delivery(1), delivery(2))))
        finally:
            await sink.close()
            server.close()

    assert asyncio.run(run()) == [Delivered("AA 7"), Rejected("AE")]


def test_nobody_listens():
    """Without a connection nothing was sent: a later attempt is safe."""

    async def run():
        config = MllpConfig(host="127.0.0.1", port=1, plaintext=True, timeout=2.0)
        return await Receiver(config, None).deliver(Dispatch(id="d", route="r", deliveries=(delivery(1),)))

    assert asyncio.run(run()) == [Retry("no-connection")]


def test_a_record_without_a_message_is_refused():
    """What cannot be told waits in quarantine, by name of its type."""
    outcomes, _, receiver = sending(delivery(1, type="Coverage"))
    assert outcomes == [Rejected("no-message-for-Coverage")]
    assert receiver.messages == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate for 127.0.0.1, its own authority, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file: Path = tmp_path_factory.mktemp("tls") / "receiver.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_tls_checks_the_receiver_and_shows_a_certificate(certificate):
    """Mutual TLS delivers; a receiver whose certificate is not trusted gets nothing, and no plaintext either."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    mutual = {"ca_file": certificate, "server_name": "receiver", "certificate": certificate, "key": certificate}
    outcomes, _, _ = sending(delivery(1), context=context, tls=mutual)
    assert outcomes == [Delivered("AA R1")]
    outcomes, _, receiver = sending(delivery(1), context=context, tls={"server_name": "receiver"})
    assert outcomes == [Retry("tls-failed")]
    assert receiver.messages == []


@pytest.mark.parametrize(
    "settings", [{"host": "10.0.0.1", "plaintext": True}, {"host": "emr.example.org", "plaintext": True},
                 {"host": "127.0.0.1", "tls": {"ca_file": "/nowhere.pem"}}],
)  # fmt: skip
def test_a_route_that_would_be_unsafe_does_not_open(settings):
    """Plaintext stays on the loopback and in listed networks, and a certificate that is not there is told at once."""
    with pytest.raises(InvalidConfiguration) as caught:
        MllpSink().open("r", MllpConfig.model_validate({"port": 2575} | settings))
    assert caught.value.where.startswith("routes.r.config")


def test_a_listed_network_may_be_plain():
    """An address inside a listed network needs no TLS; a key without its certificate is a mistake."""
    config = MllpConfig.model_validate(
        {"host": "10.1.2.3", "port": 2575, "plaintext": True, "plaintext_networks": ["10.1.0.0/16"]}
    )
    assert tls_context(config, "r") is None
    with pytest.raises(ValueError, match="stand together"):
        MllpConfig.model_validate({"host": "h", "port": 1, "tls": {"key": "k.pem"}})
