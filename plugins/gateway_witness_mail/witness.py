"""The mail: the head as it stands, and what to do with it."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage

from gateway.errors import RetryLater
from gateway.model.exchange import SignedHead
from gateway.settings import resolve_secret
from gateway_witness_mail.config import MailWitnessConfig

SECONDS = 20.0


class Mailbox:
    """Mails heads; it cannot be asked."""

    def __init__(self, name: str, config: MailWitnessConfig) -> None:
        self._where = f"witnesses.{name}"
        self._config = config

    async def keep(self, head: SignedHead) -> None:
        """Send one mail."""
        await asyncio.to_thread(self._send, message(self._config, head))

    async def heads(self, origin: str) -> Sequence[str]:  # noqa: ARG002 - the contract's name; a mailbox cannot be asked
        """None: who has the mails looks them up."""
        return ()

    def _send(self, mail: EmailMessage) -> None:
        config = self._config
        tls = ssl.create_default_context()
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if config.encryption == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(config.host, config.port, timeout=SECONDS, context=tls)
            else:
                server = smtplib.SMTP(config.host, config.port, timeout=SECONDS)
            with server:
                if config.encryption == "starttls":
                    server.starttls(context=tls)
                if config.password is not None:
                    server.login(config.user, resolve_secret(config.password))
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise RetryLater(
                f"The mail server did not take the mail: {type(error).__name__}", where=self._where,
                fix="Check host, port, encryption and account.",
            ) from None  # fmt: skip


def message(config: MailWitnessConfig, head: SignedHead) -> EmailMessage:
    """The mail about one head."""
    mail = EmailMessage()
    mail["From"] = config.sender
    mail["To"] = ", ".join(config.recipients)
    mail["Subject"] = f"Audit log {head.origin}: {head.size} entries"
    mail.set_content(
        f"{head.note}\nKeep this mail. These lines vouch for the first {head.size} entries of the audit log: save them"
        " as a file and give it to `gateway verify audit --offline BUNDLE --witness FILE`. If the log was ever cut or"
        " rewritten, the command says so.\n",
        cte="8bit",
    )
    return mail
