"""Wiring: offers the sink, and the adapter that its answers and callbacks come back through."""

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
from gateway.transport.egress import Egress
from gateway_twilio.config import TwilioConfig, TwilioSourceConfig
from gateway_twilio.records import cut, path
from gateway_twilio.sink import Messenger
from gateway_twilio.translate import normalizer
from gateway_twilio.transport import receiver

if TYPE_CHECKING:
    from gateway.mapping import Mapping
    from gateway.model.patch import Normalized

LIST_BYTES = 1024 * 1024


class TwilioSink:
    """Sends reminders as texts and calls."""

    info = SinkInfo(
        name="twilio",
        version="1",
        api=API_VERSION,
        summary="Text messages and calls to patients (Twilio)",
        idempotency="probe",
        residual_risk="A text taken without an answer and not yet in Twilio's list when that is read may go twice.",
        batch=16,
    )
    config: type[BaseModel] = TwilioConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the settings and read the secret; the first connection is made with the first reminder."""
        settings = cast("TwilioConfig", config)
        sender: dict[str, str] = {}
        if settings.messaging_service_sid:
            sender["MessagingServiceSid"] = settings.messaging_service_sid
        elif settings.from_number:
            sender["From"] = settings.from_number
        return Messenger(
            _egress(route, settings, "Messages"), _egress(route, settings, "Calls") if settings.voice_number else None,
            user=settings.api_key_sid or settings.account_sid, secret=resolve_secret(settings.secret), sender=sender,
            voice=settings.voice_number, hook=settings.hook_url.rstrip("/"), concurrency=settings.concurrency,
        )  # fmt: skip


def _egress(route: str, settings: TwilioConfig, resource: str) -> Egress:
    return Egress(
        f"{settings.url.rstrip('/')}/2010-04-01/Accounts/{settings.account_sid}/{resource}.json",
        allow_loopback=settings.allow_loopback, ca_file=settings.ca_file, connections=settings.concurrency,
        timeout=settings.timeout, answer_limit=LIST_BYTES, where=f"routes.{route}.url",
    )  # fmt: skip


class TwilioAdapter:
    """One per process; every method takes the configured source as an argument."""

    info = AdapterInfo(
        name="twilio",
        version=__version__,
        api=API_VERSION,
        summary="Answers of patients and fates of messages (Twilio callbacks).",
        streams=(Stream(name="callbacks", types=("Communication",), mode="push"),),
        gaps=("Who wrote is known by telephone number only; the reactor `replies` finds the patients.",),
    )
    config: type[BaseModel] = TwilioSourceConfig
    mappings: Traversable = files("gateway_mappings") / "twilio"

    def recognize(self, head: bytes) -> bool:
        """Nothing of Twilio comes in files."""
        del head
        return False

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """Nothing of Twilio comes in files."""
        del config
        return cut(chunks)

    def path(self, text: str) -> Callable[[object], object]:
        """A reader of one field of a message."""
        return path(text)

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a resource or callback to a communication."""
        del config
        return normalizer(mapping)

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """Nothing is polled."""
        del name, config
        return ()

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver of callbacks, when the auth token is configured."""
        return receiver(name, cast("TwilioSourceConfig", config))


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The sink ``twilio``."""
    return (TwilioSink(),)


@hookimpl
def gateway_adapters() -> Sequence[TwilioAdapter]:
    """The adapter ``twilio``."""
    return (TwilioAdapter(),)
