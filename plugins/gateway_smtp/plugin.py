"""Wiring: offers the sink, and the adapter that keeps what became of e-mails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway import __version__
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.mail_source import MailAdapter
from gateway.model.exchange import AdapterInfo, SinkInfo, Stream
from gateway.settings import resolve_secret
from gateway_smtp.config import SmtpConfig, SmtpSourceConfig
from gateway_smtp.sink import Mailer
from gateway_smtp.transport import Submission, receiver


class SmtpSink:
    """Sends reminders as e-mails."""

    info = SinkInfo(
        name="smtp",
        version="1",
        api=API_VERSION,
        summary="E-mails to patients by a mail server (SMTP with TLS)",
        idempotency="none",
        residual_risk="An e-mail whose acceptance was lost waits for a person, who alone can find out if it went.",
        batch=16,
    )
    config: type[BaseModel] = SmtpConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the settings and read the secrets; connections are made when there is something to send."""
        del route
        settings = cast("SmtpConfig", config)
        secret = "" if settings.unsubscribe_secret is None else resolve_secret(settings.unsubscribe_secret)
        return Mailer(settings, Submission(settings, resolve_secret(settings.password)), secret)


_ADAPTER = MailAdapter(
    AdapterInfo(
        name="smtp",
        version=__version__,
        api=API_VERSION,
        summary="What became of e-mails, and links by which patients end them.",
        streams=(Stream(name="fates", types=("Communication",), mode="push"),),
        gaps=("Bounces and answers that come as mail are not read.",),
    ),
    SmtpSourceConfig,
    receiver,
)


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The sink ``smtp``."""
    return (SmtpSink(),)


@hookimpl
def gateway_adapters() -> Sequence[MailAdapter]:
    """The adapter ``smtp``."""
    return (_ADAPTER,)
