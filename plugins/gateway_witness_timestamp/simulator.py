"""A time-stamping authority on this machine: its own root, its own signing certificate, real tokens made by openssl.

Needs the program ``openssl``. The tokens are what any RFC 3161 authority answers; only the root is nobody's.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

CONFIG = """
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamp]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
STEPS = (
    "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=Root -days 30 -extensions root",
    "req -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr -subj /CN=Authority",
    "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -out tsa.pem -days 30 -extfile openssl.cnf",
)

EXTRA = {"req": ("-config", "openssl.cnf"), "x509": ("-extensions", "stamp")}


def available() -> bool:
    """Whether the program that makes tokens is on this machine."""
    return shutil.which("openssl") is not None


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[str]:
    """An authority on a free port; gives its URL, its root is ``root.pem`` in the folder."""
    (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="ascii")
    for step in STEPS:
        words = step.split()
        await _openssl(folder, *words, *EXTRA[words[0]])

    async def stamp(request: web.Request) -> web.Response:
        (folder / "request.tsq").write_bytes(await request.read())
        await _openssl(
            folder, "ts", "-reply", "-config", "openssl.cnf", "-queryfile", "request.tsq", "-out", "reply.tsr"
        )
        return web.Response(body=(folder / "reply.tsr").read_bytes(), content_type="application/timestamp-reply")

    app = web.Application()
    app.router.add_post("/", stamp)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _openssl(folder: Path, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "openssl", *words, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"openssl {words[0]} ended with {process.returncode}: {said.decode()[-300:]}")
