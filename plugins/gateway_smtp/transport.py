"""The exchange with a mail server, step by step, and the receiver of unsubscribe links."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage

from gateway.errors import InvalidConfiguration
from gateway.model.exchange import Ambiguous, HookReceiver, HookRequest, HookResponse, Intake, Rejected, Retry
from gateway.settings import resolve_secret
from gateway.transport.egress import is_public
from gateway.wire.mail import linked, unsubscribed
from gateway_smtp.config import SmtpConfig, SmtpSourceConfig

UNAUTHORIZED_SECONDS = 300.0
"""Seconds after which it is tried again whether a person has mended the password."""
_PAGE = b"<!doctype html><title>E-mails</title><form method=post><button>%s</button></form>"
_ASK = _PAGE % b"Receive no more e-mails / No recibir m\xc3\xa1s"
_DONE = "Done. / Listo.\n"
_HTML = "text/html; charset=utf-8"


class Refused(Exception):
    """The server refused the recipient for good; the text is its code."""


class Submission:
    """One mail server, one connection per message."""

    def __init__(self, config: SmtpConfig, password: str) -> None:
        self._config = config
        self._password = password
        try:
            self._tls = ssl.create_default_context(cafile=None if config.ca_file is None else str(config.ca_file))
        except (OSError, ssl.SSLError):
            raise InvalidConfiguration(
                "The file of trusted authorities cannot be read", where="ca_file", fix="Name a readable PEM file."
            ) from None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(self, message: EmailMessage) -> str | Retry | Rejected | Ambiguous:
        """The server's answer once it took the message, or why not. Blocks; run it in a thread.

        Raises:
            Refused: the recipient does not exist or takes nothing.
        """
        handed_over = False
        try:
            with self._opened() as server:
                self._step(server.mail(self._config.sender))
                code, _ = server.rcpt(message["To"])
                if 500 <= code < 600:
                    raise Refused(str(code))
                self._step((code, b""))
                handed_over = True
                code, _ = server.data(message.as_bytes())
                if code // 100 == 2:
                    return f"{code} {message['Message-ID']}"
                return Retry(f"smtp-{code}") if code < 500 else Rejected(f"smtp-{code}")
        except smtplib.SMTPAuthenticationError:
            return Retry("not-authorized", UNAUTHORIZED_SECONDS)
        except smtplib.SMTPResponseException as error:
            code = error.smtp_code
            return Rejected(f"smtp-{code}") if 500 <= code < 600 else Retry(f"smtp-{code}")
        except (smtplib.SMTPException, OSError) as error:
            if handed_over:
                return Ambiguous("no-answer")
            return Retry("tls-failed" if isinstance(error, ssl.SSLError) else "no-connection")

    @contextmanager
    def _opened(self) -> Iterator[smtplib.SMTP]:
        config = self._config
        self._check()
        if config.tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout, context=self._tls)
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=config.timeout)
        try:
            if config.tls == "starttls":
                server.starttls(context=self._tls)
            server.login(config.user, self._password)
            yield server
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()

    def _check(self) -> None:
        """Every address the name leads to must be public, unless private ones are allowed."""
        if self._config.allow_private:
            return
        found = socket.getaddrinfo(self._config.host, self._config.port, type=socket.SOCK_STREAM)
        if not all(is_public(ipaddress.ip_address(str(where[0]))) for *_, where in found):
            raise OSError("not public")

    @staticmethod
    def _step(answer: tuple[int, bytes]) -> None:
        code, text = answer
        if code // 100 != 2:
            raise smtplib.SMTPResponseException(code, text)


class Links:
    """The receiver of one source's unsubscribe links."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def receive(self, request: HookRequest, intake: Intake) -> HookResponse:
        """A visit shows a button, for programs that look at links follow them too; a POST is the wish itself."""
        patient = linked(request.path, self._secret)
        if patient is None:
            return HookResponse(status=404)
        if request.method != "POST":
            return HookResponse(status=200, body=_ASK, content_type=_HTML)
        await intake.accept([unsubscribed(patient, datetime.now(UTC).isoformat(timespec="seconds"))])
        return HookResponse(status=200, body=_DONE.encode())


def receiver(name: str, config: SmtpSourceConfig) -> HookReceiver | None:
    """The receiver, where the secret is configured."""
    del name  # a receiver is mounted under the source's name by the core
    return None if config.unsubscribe_secret is None else Links(resolve_secret(config.unsubscribe_secret))
