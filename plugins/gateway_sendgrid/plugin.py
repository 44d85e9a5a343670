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
from gateway.transport.egress import Egress
from gateway_sendgrid.config import SendgridConfig, SendgridSourceConfig
from gateway_sendgrid.sink import Mailer
from gateway_sendgrid.transport import receiver


class SendgridSink:
    """Sends reminders as e-mails."""

    info = SinkInfo(
        name="sendgrid",
        version="1",
        api=API_VERSION,
        summary="E-mails to patients (SendGrid)",
        idempotency="none",
        residual_risk="An e-mail whose acceptance was lost waits for a person, who alone can find out if it went.",
        batch=16,
    )
    config: type[BaseModel] = SendgridConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the settings and read the secrets; the first connection is made with the first e-mail."""
        settings = cast("SendgridConfig", config)
        egress = Egress(
            f"{settings.url.rstrip('/')}/v3/mail/send", allow_loopback=settings.allow_loopback,
            ca_file=settings.ca_file, connections=settings.concurrency, timeout=settings.timeout,
            where=f"routes.{route}.url",
        )  # fmt: skip
        secret = "" if settings.unsubscribe_secret is None else resolve_secret(settings.unsubscribe_secret)
        return Mailer(settings, egress, resolve_secret(settings.key), secret)


_ADAPTER = MailAdapter(
    AdapterInfo(
        name="sendgrid",
        version=__version__,
        api=API_VERSION,
        summary="What became of e-mails (SendGrid's signed events), and links by which patients end them.",
        streams=(Stream(name="fates", types=("Communication",), mode="push"),),
        gaps=("Opened and clicked are not followed: tracking is off for patients' mail.",),
    ),
    SendgridSourceConfig,
    receiver,
)


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The sink ``sendgrid``."""
    return (SendgridSink(),)


@hookimpl
def gateway_adapters() -> Sequence[MailAdapter]:
    """The adapter ``sendgrid``."""
    return (_ADAPTER,)
