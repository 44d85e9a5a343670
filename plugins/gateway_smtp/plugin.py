"""Wiring: offers the sink, and the adapter that keeps what became of e-mails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from gateway import __version__
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import AdapterInfo, Finding, HookReceiver, Item, SinkInfo, Stream, Transport
from gateway.settings import resolve_secret
from gateway_smtp.config import SmtpConfig, SmtpSourceConfig
from gateway_smtp.records import cut, path
from gateway_smtp.sink import Mailer
from gateway_smtp.translate import normalizer
from gateway_smtp.transport import Submission, receiver

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized


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


class SmtpAdapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="smtp",
        version=__version__,
        api=API_VERSION,
        summary="What became of e-mails, and links by which patients end them.",
        streams=(Stream(name="fates", types=("Communication",), mode="push"),),
        gaps=("Bounces and answers that come as mail are not read.",),
    )
    config: type[BaseModel] = SmtpSourceConfig
    mappings: Traversable = files("gateway_mappings") / "smtp"

    def recognize(self, head: bytes) -> bool:
        """Nothing of this source comes in files."""
        del head
        return False

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """Nothing of this source comes in files."""
        del config
        return cut(chunks)

    def path(self, text: str) -> Callable[[object], object]:
        """A reader of one field of a fate."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a fate to a communication."""
        del config
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """Nothing is polled."""
        del name, config
        return ()

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of links, when their secret is configured."""
        return receiver(name, cast("SmtpSourceConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The sink ``smtp``."""
    return (SmtpSink(),)


@hookimpl
def gateway_adapters() -> Sequence[SmtpAdapter]:
    """The adapter ``smtp``."""
    return (SmtpAdapter(),)
