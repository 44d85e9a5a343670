from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.errors import InvalidConfiguration, RetryLater
from gateway.transport.addresses import is_public
from gateway.transport.egress import ANSWER_LIMIT, Answer, Egress
from tests.waiting import PATIENCE

HIDDEN = (
    "0.0.0.0", "0.0.0.1", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.1.2.3", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1",
    "::ffff:0.0.0.0", "::ffff:168.63.129.16", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::100.64.0.1",
    "64:ff9b::168.63.129.16", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:7f00:0:100::",
    "2002:7f00:1::", "2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::", "2002:c0a8:1::1", "2002:6440:1::",
    "2001::1", "2001:0:7f00:1::", "2001:0:808:808:0:0:80ff:fffe", "2001:10::1", "2001:2::1", "2001:20::1",
    "2001:db8::1", "3fff::1", "5f00::1", "100::1", "2620:4f:8000::1",
    "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "2606:4700::5efe:a9fe:a9fe",
    "fc00::1", "fd00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1",
    "ff02::1", "ff0e::1", "4000::1", "8000::1", "e000::1",
)  # fmt: skip  # a table reads better packed
PUBLIC = (
    "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.169.0.1",
    "223.255.255.1",
    "168.63.129.17", "2606:4700::1", "2a00:1450::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2002:808:808::1", "2606:4700::5efe:808:808",
)  # fmt: skip  # a table reads better packed


@pytest.mark.parametrize("text", HIDDEN)
def test_an_address_that_is_not_public_is_known(text: str) -> None:
    """Private, local, shared, reserved and metadata addresses are not public, however they are wrapped."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_public(text: str) -> None:
    """Neighbours of forbidden blocks and wrapped public addresses are allowed."""
    assert is_public(ipaddress.ip_address(text))


def test_the_vectors_are_many() -> None:
    """The corpus of addresses is as large as the requirement asks."""
    assert len(set(HIDDEN)) >= 60


class Told(AbstractResolver):
    """A name server that answers what it is told, another answer each time."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        kinds = [socket.AF_INET6 if ":" in text else socket.AF_INET for text in answer]
        return [
            {"hostname": host, "host": text, "port": port, "family": kind, "proto": 0, "flags": 0}
            for text, kind in zip(answer, kinds, strict=True)
        ]

    async def close(self) -> None:
        pass


def led_by(egress: Egress, resolver: Told) -> Egress:
    egress._guard._resolver = resolver  # the lying name server is the fault planted here
    return egress


async def post_and_close(egress: Egress) -> Answer:
    try:
        return await egress.post(b"{}", {})
    finally:
        await egress.close()


Handler = Callable[[web.Request], object]


@asynccontextmanager
async def server(handler: object, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)  # type: ignore[arg-type]  # each test has its own handler
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("text", [text for text in HIDDEN if "%" not in text])
def test_a_name_that_leads_inside_is_not_visited(text: str) -> None:
    """A name with one bad address, alone or among good ones, is refused before a socket is opened."""
    egress = led_by(Egress("https://receiver.example/hook"), Told((text,), ("8.8.8.8", text), (text, "2606:4700::1")))

    async def run() -> None:
        for _ in range(3):
            with pytest.raises(RetryLater) as caught:
                await egress.post(b"{}", {})
            assert text not in str(caught.value)
        await egress.close()

    asyncio.run(run())


@pytest.mark.parametrize("text", HIDDEN)
def test_no_socket_is_opened_to_a_hidden_address(text: str) -> None:
    """The check before each socket refuses on its own, whatever the name server said."""
    kind = socket.AF_INET6 if ":" in text else socket.AF_INET
    guard = Egress("https://receiver.example/hook")._guard
    with pytest.raises(RetryLater):
        guard.open_socket((kind, socket.SOCK_STREAM, 6, "", (text, 443)))


@pytest.mark.parametrize("text", [text for text in HIDDEN if "%" not in text])
def test_a_hidden_address_is_no_endpoint(text: str) -> None:
    """A literal address that is not public is refused when the settings are read."""
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(InvalidConfiguration):
        Egress(f"https://{host}/hook")


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/hook", "https:///hook", "https://", "//receiver.example/hook", "ftp://receiver.example/", "file:///etc/passwd",
        "http://receiver.example/hook", "HTTP://receiver.example/", "http://8.8.8.8/", "gopher://127.0.0.1:6379/_x",
        "https://user:SECRET@receiver.example/", "https://SECRET@receiver.example/", "https://receiver.example/#SECRET",
        "https://receiver.example:0/", "https://receiver.example:99999/", "https://receiver.example:x/", "https://[::1/",
        "https://receiver.example/ SECRET", "https://receiver.example/\r\nHost: inside", "https://[fe80::1%25eth0]/",
        "unix:///var/run/docker.sock", "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/",
    ],
)  # fmt: skip  # a table reads better packed
def test_a_url_that_is_no_public_https_endpoint_is_refused(url: str) -> None:
    """Anything but https to a public host is a configuration error that repeats nothing of the URL."""
    with pytest.raises(InvalidConfiguration) as caught:
        Egress(url, where="routes.crm.url")
    assert caught.value.where == "routes.crm.url"
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "017700000001", "0"])
def test_a_number_that_means_loopback_does_not_connect(host: str) -> None:
    """Decimal, octal, hexadecimal and short forms of an inner address are not visited."""

    async def run() -> None:
        hits = []

        async def handler(request: web.Request) -> web.Response:
            hits.append(request)
            return web.Response()

        async with server(handler) as port:
            with pytest.raises((RetryLater, aiohttp.ClientError, InvalidConfiguration)):
                await post_and_close(Egress(f"https://{host}:{port}/hook"))
        assert hits == []

    asyncio.run(run())


def test_rebinding_does_not_help() -> None:
    """A name that is public at first and inner on the next look-up is refused at that look-up."""

    async def run() -> None:
        resolver = Told(("192.0.2.1", "127.0.0.1"), ("127.0.0.1",))
        egress = led_by(Egress("https://rebind.example/"), resolver)
        for _ in range(3):
            with pytest.raises(RetryLater):
                await egress.post(b"{}", {})
        await egress.close()

    asyncio.run(run())


def test_loopback_needs_the_setting() -> None:
    """This machine is reached only with allow_loopback, by http only then, and the setting opens nothing else."""
    with pytest.raises(InvalidConfiguration, match="https"):
        Egress("http://localhost:1/")
    Egress("http://localhost:1/", allow_loopback=True)
    Egress("http://[::1]:1/", allow_loopback=True)
    for url in (
        "http://10.0.0.1/",
        "http://8.8.8.8/",
        "http://receiver.example/",
        "https://10.0.0.1/",
        "http://0.0.0.0/",
    ):
        with pytest.raises(InvalidConfiguration):
            Egress(url, allow_loopback=True)
    egress = led_by(Egress("http://localhost:1/", allow_loopback=True), Told(("8.8.8.8",)))
    with pytest.raises(RetryLater):
        asyncio.run(post_and_close(egress))


def test_one_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Body and headers arrive; status and headers come back; no proxy, cookie or decompression takes part."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    seen: list[tuple[bytes, str | None, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.headers.get("webhook-id"), request.headers.get("cookie")))
        answer = web.Response(status=207, body=b"not gzip", headers={"content-encoding": "gzip", "x-request-id": "r1"})
        answer.set_cookie("track", "1")
        return answer

    async def run() -> None:
        async with server(handler) as port:
            egress = Egress(f"http://localhost:{port}/hook", allow_loopback=True)
            for _ in range(2):
                answer = await egress.post(b'{"a":1}', {"webhook-id": "m1"})
                assert (answer.status, answer.headers["X-Request-Id"]) == (207, "r1")
            await egress.close()

    asyncio.run(run())
    assert seen == [(b'{"a":1}', "m1", None)] * 2


def test_redirects_are_not_followed() -> None:
    """Each kind of redirect is given back as it is, and its target is not asked."""
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=int(request.path[1:4]), headers={"location": "http://169.254.169.254/latest"})

    async def run() -> None:
        async with server(handler) as port:
            for status in (301, 302, 303, 307, 308):
                url = f"http://127.0.0.1:{port}/{status}"
                assert (await post_and_close(Egress(url, allow_loopback=True))).status == status

    asyncio.run(run())
    assert asked == ["/301", "/302", "/303", "/307", "/308"]


def test_an_endless_answer_costs_only_the_connection() -> None:
    """A body beyond the limit is not read, and the next request has a connection of its own."""

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * ANSWER_LIMIT)
        return answer

    async def run() -> None:
        async with server(handler) as port:
            egress = Egress(f"http://127.0.0.1:{port}/", allow_loopback=True, connections=1)
            for _ in range(2):
                assert (await egress.post(b"{}", {})).status == 200
            await egress.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_silent_peer_is_given_up() -> None:
    """A peer that takes the body and says nothing costs the timeout and no more."""

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(60)
        return web.Response()

    async def run() -> None:
        async with server(handler) as port:
            with pytest.raises(TimeoutError):
                await post_and_close(Egress(f"http://127.0.0.1:{port}/", allow_loopback=True, timeout=0.2))

    asyncio.run(run())


def certificate(folder: Path, name: str, *, days: int = 1) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for ``name``, as the file to trust and as a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip  # a builder reads better packed
    trusted, whole = folder / f"{name}.pem", folder / f"{name}.key"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    whole.write_bytes(trusted.read_bytes() + key.private_bytes(*encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    return trusted, context


async def greet(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


def over_tls(context: ssl.SSLContext, trusted: Path | None) -> Answer:
    async def run() -> Answer:
        async with server(greet, context) as port:
            return await post_and_close(Egress(f"https://localhost:{port}/", allow_loopback=True, ca_file=trusted))

    return asyncio.run(run())


def test_tls_reaches_who_it_trusts(tmp_path: Path) -> None:
    """A certificate for the name in the URL, from a trusted authority, is accepted."""
    trusted, context = certificate(tmp_path, "localhost")
    assert over_tls(context, trusted).status == 204


@pytest.mark.parametrize(
    ("name", "days", "trust"), [("localhost", 1, False), ("other.example", 1, True), ("localhost", -1, True)]
)
def test_tls_refuses_who_it_does_not_trust(tmp_path: Path, name: str, days: int, trust: bool) -> None:
    """Unknown authority, another name or an expired certificate: no request is made."""
    trusted, context = certificate(tmp_path, name, days=days)
    with pytest.raises(aiohttp.ClientSSLError):
        over_tls(context, trusted if trust else None)


def test_old_tls_is_refused(tmp_path: Path) -> None:
    """A peer that speaks nothing newer than TLS 1.1 gets no request."""
    trusted, context = certificate(tmp_path, "localhost")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(aiohttp.ClientConnectorError):
        over_tls(context, trusted)


def test_a_missing_authority_file_is_told(tmp_path: Path) -> None:
    """A ca_file that is not there is a configuration error."""
    with pytest.raises(InvalidConfiguration, match="authorities"):
        Egress("https://receiver.example/", ca_file=tmp_path / "none.pem")
