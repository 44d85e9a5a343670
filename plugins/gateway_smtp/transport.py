"""The exchange with a mail server, step by step."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from gateway.errors import InvalidConfiguration
from gateway.mail_source import Links
from gateway.model.exchange import Ambiguous, HookReceiver, Rejected, Retry
from gateway.settings import resolve_secret
from gateway.transport.addresses import is_public
from gateway_smtp.config import SmtpConfig, SmtpSourceConfig

UNAUTHORIZED_SECONDS = 300.0
"""Seconds after which it is tried again whether a person has mended the password."""


class Refused(Exception):
    """The server refused the recipient for good; the text is its code."""


class _Public(smtplib.SMTP):
    """Connects to an address that it has looked at itself: the name cannot lead elsewhere in between.

    The name stays what the certificate is checked against.
    """

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Every address the name leads to must be public; the first that answers is taken."""
        found = [str(where[0]) for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not found or not all(is_public(ipaddress.ip_address(address)) for address in found):
            raise OSError("not public")
        for address in found[:-1]:
            with suppress(OSError):
                return socket.create_connection((address, port), timeout)
        return socket.create_connection((found[-1], port), timeout)


class _PublicTls(smtplib.SMTP_SSL, _Public):
    """The same with TLS from the start."""


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
        if config.tls == "implicit":
            opened = _PublicTls if not config.allow_private else smtplib.SMTP_SSL
            server: smtplib.SMTP = opened(config.host, config.port, timeout=config.timeout, context=self._tls)
        else:
            plain = _Public if not config.allow_private else smtplib.SMTP
            server = plain(config.host, config.port, timeout=config.timeout)
        try:
            if config.tls == "starttls":
                server.starttls(context=self._tls)
            server.login(config.user, self._password)
            yield server
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()

    @staticmethod
    def _step(answer: tuple[int, bytes]) -> None:
        code, text = answer
        if code // 100 != 2:
            raise smtplib.SMTPResponseException(code, text)


def receiver(config: SmtpSourceConfig) -> HookReceiver | None:
    """The receiver of links, where their secret is configured."""
    return None if config.unsubscribe_secret is None else Links(resolve_secret(config.unsubscribe_secret))
