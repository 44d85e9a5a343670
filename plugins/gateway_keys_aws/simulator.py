"""A KMS that encrypts and decrypts, in memory, by the AWS JSON 1.1 protocol; it wants signed requests.

What it wraps opens only with the same key and encryption context, as in KMS; the bytes themselves are its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding

KEY_ID = "alias/emr-gateway"
REGION = "us-east-1"
_ID = 16
Answer = tuple[int, dict[str, Any]]


class SimulatedKms:
    """Serves in a thread; ``fault`` makes it answer with that error code."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[bytes, bytes]] = {KEY_ID: (os.urandom(_ID), os.urandom(32))}
        self.fault = ""
        self.url = ""
        self._server: ThreadingHTTPServer | None = None

    def start(self, port: int = 0) -> str:
        """Listen on the loopback; the address."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                signed = self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=")
                status, answer = outer.answer(self.headers.get("X-Amz-Target", ""), body, signed=signed)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

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

    def answer(self, target: str, body: Mapping[str, Any], *, signed: bool) -> Answer:
        """Status and JSON of one request."""
        if not signed:
            return _refused("MissingAuthenticationTokenException")
        if self.fault:
            return _refused(self.fault)
        if body.get("KeyId") not in self.keys:
            return _refused("NotFoundException")
        number, secret = self.keys[body["KeyId"]]
        bound = json.dumps(body.get("EncryptionContext", {}), sort_keys=True).encode()
        wrapping = HKDFExpand(SHA256(), 32, bound).derive(secret)
        if target == "TrentService.Encrypt":
            blob = number + aes_key_wrap_with_padding(wrapping, base64.b64decode(body["Plaintext"]))
            return HTTPStatus.OK, {"CiphertextBlob": base64.b64encode(blob).decode(), "KeyId": body["KeyId"]}
        if target != "TrentService.Decrypt":
            return _refused("UnknownOperationException")
        blob = base64.b64decode(body["CiphertextBlob"])
        if blob[:_ID] != number:
            return _refused("IncorrectKeyException")
        try:
            plain = aes_key_unwrap_with_padding(wrapping, blob[_ID:])
        except InvalidUnwrap:
            return _refused("InvalidCiphertextException")
        return HTTPStatus.OK, {"Plaintext": base64.b64encode(plain).decode(), "KeyId": body["KeyId"]}


def _refused(code: str) -> Answer:
    return HTTPStatus.BAD_REQUEST, {"__type": code, "message": code}


class _Kms:
    """The service as ``gateway simulate`` runs it."""

    name = "kms"
    summary = "Encrypt and Decrypt of AWS Key Management Service."
    faults: Mapping[str, str] = {
        "disabled": "the key is disabled",
        "forbidden": "the role may not use the key",
        "throttled": "asks to slow down",
    }

    async def serve(
        self, *, host: str, port: int, seed: int, clinic_size: int, faults: Sequence[str],
        opened: Callable[[Mapping[str, str]], None],
    ) -> None:  # fmt: skip
        """Serve until cancelled."""
        del host, seed, clinic_size  # it has no clinic, and listens on the loopback always
        codes = {
            "disabled": "DisabledException", "forbidden": "AccessDeniedException", "throttled": "ThrottlingException",
        }  # fmt: skip
        simulated = SimulatedKms()
        simulated.fault = next((codes[fault] for fault in faults), "")
        try:
            opened({"endpoint": simulated.start(port), "key_id": KEY_ID, "region": REGION})
            await asyncio.Event().wait()
        finally:
            simulated.close()


SIMULATORS = (_Kms(),)
