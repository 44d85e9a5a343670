"""Client certificates that are refused: by list, by serial number, when the list is overdue, and without a restart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.errors import InvalidConfiguration
from gateway.transport.mllp import MllpServer
from gateway.transport.revocation import Revocation
from gateway.wire.mllp import encode
from tests.waiting import PATIENCE

NOW = datetime.now(UTC)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
REFUSED_WITHIN = 5.0


class Authority:
    """One that signs certificates and revocation lists."""

    def __init__(self, folder: Path, name: str = "East Hospital") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name[:4]}.pem"
        self.path.write_bytes(self._signed(self.name, self.key, 1, ca=True).public_bytes(PEM))

    def certificate(self, serial: int) -> tuple[Path, Path]:
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        certificate, private = self.folder / f"{serial}.pem", self.folder / f"{serial}.key"
        certificate.write_bytes(self._signed(subject, key, serial, ca=False).public_bytes(PEM))
        private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return certificate, private

    def revoked(self, *serials: int, days: int = 1, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        """A list in PEM form, whose next update is due in so many days."""
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        made = made.last_update(NOW - timedelta(days=9)).next_update(NOW + timedelta(days=days))
        for serial in serials:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - timedelta(days=1))
            made = made.add_revoked_certificate(one.build())
        return made.sign(key or self.key, hashes.SHA256()).public_bytes(PEM)

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int, *, ca: bool
    ) -> x509.Certificate:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        made = made.serial_number(serial).not_valid_before(NOW - timedelta(1)).not_valid_after(NOW + timedelta(1))
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return made.sign(self.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One authority with a folder of its own."""
    return Authority(tmp_path)


def der(path: Path) -> bytes:
    """A certificate as the TLS layer shows it."""
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(DER)


def test_a_list_refuses_who_is_on_it(authority: Authority, tmp_path: Path) -> None:
    """A revoked serial is refused in PEM and DER lists, its neighbour is not."""
    (bad, _), (good, _) = authority.certificate(77), authority.certificate(78)
    lists = tmp_path / "lists"
    text = authority.revoked(77, 5)
    for form in (text, x509.load_pem_x509_crl(text).public_bytes(DER)):
        lists.write_bytes(form)
        revocation = Revocation(authority.path, lists, None)
        assert [revocation.refusal(der(bad)), revocation.refusal(der(good))] == ["revoked", ""]


def test_a_serial_is_denied_without_a_list(authority: Authority, tmp_path: Path) -> None:
    """Serial numbers are read with colons, spaces and remarks."""
    (bad, _), (good, _) = authority.certificate(0xAB12CD), authority.certificate(78)
    denied = tmp_path / "denied"
    denied.write_text("# lost laptop\n\nAB:12:cd  # since May\n", "utf-8")
    revocation = Revocation(authority.path, None, denied)
    assert [revocation.refusal(der(bad)), revocation.refusal(der(good))] == ["serial-denied", ""]


def test_an_overdue_or_missing_list_lets_nobody_in(authority: Authority, tmp_path: Path) -> None:
    """Without a list in force of its issuer a certificate is refused, and so is what is no certificate."""
    other = Authority(tmp_path, "West Hospital")
    (good, _), (foreign, _) = authority.certificate(78), other.certificate(79)
    lists = tmp_path / "lists"
    lists.write_bytes(authority.revoked(days=2))
    revocation = Revocation(authority.path, lists, None)
    assert revocation.refusal(der(good)) == ""
    assert revocation.refusal(der(good), NOW + timedelta(days=3)) == "list-overdue"
    assert revocation.refusal(der(foreign)) == "issuer-without-list"
    assert revocation.refusal(b"0") == "unreadable"


def _broken(authority: Authority) -> Sequence[bytes]:
    partial = x509.CertificateRevocationListBuilder().issuer_name(authority.name)
    partial = partial.last_update(NOW).next_update(NOW + timedelta(days=1))
    partial = partial.add_extension(x509.DeltaCRLIndicator(7), critical=True)
    return (
        b"", b"no list", authority.revoked()[:150],
        authority.revoked(key=ec.generate_private_key(ec.SECP256R1())),
        partial.sign(authority.key, hashes.SHA256()).public_bytes(PEM),
    )  # fmt: skip


def test_what_is_no_full_list_of_an_authority_is_told(authority: Authority, tmp_path: Path) -> None:
    """Empty, cut, foreign-signed and partial lists and unreadable serials are refused at the start."""
    lists, denied = tmp_path / "lists", tmp_path / "denied"
    for data in _broken(authority):
        lists.write_bytes(data)
        with pytest.raises(InvalidConfiguration, match=r"tls\.crl"):
            Revocation(authority.path, lists, None)
    denied.write_text("not hexadecimal", "utf-8")
    with pytest.raises(InvalidConfiguration, match=r"tls\.denied_serials"):
        Revocation(authority.path, None, denied)
    with pytest.raises(InvalidConfiguration, match=r"tls\.denied_serials"):
        Revocation(authority.path, None, tmp_path / "none")


def test_a_file_that_goes_bad_leaves_the_last_good_one(authority: Authority, tmp_path: Path) -> None:
    """A list that is cut short or gone keeps out whom it kept out, and the next good one is taken."""
    bad, _ = authority.certificate(77)
    lists = tmp_path / "lists"
    lists.write_bytes(authority.revoked(77))
    revocation = Revocation(authority.path, lists, None)
    assert not revocation.renew()
    lists.write_bytes(authority.revoked()[:99])
    assert not revocation.renew()
    lists.unlink()
    assert not revocation.renew()
    assert revocation.refusal(der(bad)) == "revoked"
    lists.write_bytes(authority.revoked())
    assert revocation.renew()
    assert revocation.refusal(der(bad)) == ""


def test_a_revoked_client_is_cut_off_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    """Within seconds of its revocation a client's standing connection ends and a new one gets nothing; others stay."""
    lists = tmp_path / "lists"
    lists.write_bytes(authority.revoked())
    own = authority.certificate(10)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(*own)
    served.load_verify_locations(authority.path)
    served.verify_mode = ssl.CERT_REQUIRED

    def client(serial: int) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(authority.path))
        made.check_hostname = False
        made.load_cert_chain(*authority.certificate(serial))
        return made

    async def ask(port: int, context: ssl.SSLContext) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(encode(b"x"))
        try:
            answer = await asyncio.wait_for(reader.read(100), PATIENCE)
        except OSError:
            answer = b""
        return answer, reader, writer

    async def run() -> None:
        revocation = Revocation(authority.path, lists, None)
        server = MllpServer(
            "127.0.0.1", 0, lambda frame, reply: reply(frame), oversized=lambda head, reply: reply(head), ssl=served,
            refusal=revocation.refusal,
        )  # fmt: skip
        await server.start()
        watching = asyncio.create_task(revocation.watch(server.judge_again))
        friend, former = client(11), client(12)
        answer, friends, friends_writer = await ask(server.port, friend)
        before, formers, formers_writer = await ask(server.port, former)
        assert (answer, before) == (encode(b"x"), encode(b"x"))
        lists.write_bytes(authority.revoked(12))
        async with asyncio.timeout(REFUSED_WITHIN):
            with suppress(OSError):
                assert await formers.read(100) == b""
        after, _, after_writer = await ask(server.port, former)
        friends_writer.write(encode(b"y"))
        assert (after, await asyncio.wait_for(friends.read(100), PATIENCE)) == (b"", encode(b"y"))
        assert server.counts.refused == 2
        for writer in (friends_writer, formers_writer, after_writer):
            writer.transport.abort()
        watching.cancel()
        await server.close(grace=0.2)

    asyncio.run(run())
