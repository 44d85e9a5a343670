"""A Vault with nothing but a transit engine, in memory: token check, derived keys, versions, rotation, sealing.

What it wraps opens only with the same context and associated data, as in Vault; the bytes themselves are its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding

TOKEN = "hvs.simulated"  # noqa: S105 - a stand-in's token: it guards nothing
_PATH = re.compile(r"/v1/transit/(keys|encrypt|decrypt)/([\w-]+)(/rotate)?")


class SimulatedTransit:
    """Serves in a thread; ``sealed`` makes it answer as a sealed Vault does, ``refusing`` as for a revoked token."""

    def __init__(self) -> None:
        self.keys: dict[str, list[bytes]] = {}
        self.sealed = False
        self.refusing = False
        self.url = ""
        self._server: ThreadingHTTPServer | None = None

    def start(self, port: int = 0) -> str:
        """Listen on the loopback; the address."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size) or b"{}")
                status, answer = outer.answer(self.path, self.headers.get("X-Vault-Token", ""), body)
                data = json.dumps(answer).encode() if answer is not None else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_PUT(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self.url

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, path: str, token: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """Status and JSON of one request."""
        if self.sealed:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"errors": ["Vault is sealed"]}
        if token != TOKEN or self.refusing:
            return HTTPStatus.FORBIDDEN, {"errors": ["permission denied"]}
        found = _PATH.fullmatch(path)
        if found is None:
            return HTTPStatus.NOT_FOUND, {"errors": []}
        kind, name, rotating = found[1], found[2], bool(found[3])
        if kind == "keys":
            versions = self.keys.setdefault(name, [os.urandom(32)])
            if rotating:
                versions.append(os.urandom(32))
            return HTTPStatus.NO_CONTENT, None
        if name not in self.keys:
            return HTTPStatus.BAD_REQUEST, {"errors": ["encryption key not found"]}
        return self._encrypt(name, body) if kind == "encrypt" else self._decrypt(name, body)

    def _encrypt(self, name: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        version = len(self.keys[name])
        wrapped = aes_key_wrap_with_padding(self._derived(name, version, body), base64.b64decode(body["plaintext"]))
        text = f"vault:v{version}:{base64.b64encode(wrapped).decode()}"
        return HTTPStatus.OK, {"data": {"ciphertext": text, "key_version": version}}

    def _decrypt(self, name: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        found = re.fullmatch(r"vault:v(\d+):(.+)", body["ciphertext"])
        if found is None or not 1 <= int(found[1]) <= len(self.keys[name]):
            return HTTPStatus.BAD_REQUEST, {"errors": ["invalid ciphertext"]}
        try:
            wrapped = base64.b64decode(found[2])
            plain = aes_key_unwrap_with_padding(self._derived(name, int(found[1]), body), wrapped)
        except (InvalidUnwrap, ValueError):
            return HTTPStatus.BAD_REQUEST, {"errors": ["cipher: message authentication failed"]}
        return HTTPStatus.OK, {"data": {"plaintext": base64.b64encode(plain).decode()}}

    def _derived(self, name: str, version: int, body: Mapping[str, Any]) -> bytes:
        bound = f"{body.get('context', '')}/{body.get('associated_data', '')}".encode()
        return HKDFExpand(SHA256(), 32, bound).derive(self.keys[name][version - 1])


class _Transit:
    """The engine as ``gateway simulate`` runs it."""

    name = "transit"
    summary = "The transit secrets engine of HashiCorp Vault."
    faults: Mapping[str, str] = {"sealed": "answers 503: Vault is sealed", "forbidden": "answers 403"}

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled."""
        del host, seed, clinic_size  # it has no clinic, and listens on the loopback always
        simulated = SimulatedTransit()
        simulated.sealed, simulated.refusing = "sealed" in faults, "forbidden" in faults
        try:
            opened({"url": simulated.start(port), "token": TOKEN})
            await asyncio.Event().wait()
        finally:
            simulated.close()


SIMULATORS = (_Transit(),)
