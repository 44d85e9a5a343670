"""Mail source: the adapter of what became of e-mails, whatever sent them, and the receiver of links that end them.

Fates come from routes as answers, links and a sender's own events over HTTP. All tell of one e-mail under the key of
its delivery, in the form of :mod:`gateway.wire.mail`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.exchange import (
    AdapterInfo,
    Finding,
    HookReceiver,
    HookRequest,
    HookResponse,
    Intake,
    Item,
    Transport,
)
from gateway.model.patch import Normalized
from gateway.wire.json_decoder import decoder
from gateway.wire.mail import Mail, linked, unsubscribed

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gateway.mapping import Mapping

_read = decoder(Mail)
_PAGE = b"<!doctype html><title>E-mails</title><form method=post><button>%s</button></form>"
_ASK = _PAGE % b"Receive no more e-mails / No recibir m\xc3\xa1s"
_DONE = "Done. / Listo.\n"
_HTML = "text/html; charset=utf-8"


class MailAdapter:
    """One per plugin; every method takes the configured source as an argument.

    Args:
        info: what the adapter is.
        config: settings of a source.
        receiver: makes the receiver of one source's requests, or None when it is set up to receive nothing.
    """

    mappings: Traversable = files("gateway_mappings") / "smtp"

    def __init__(
        self, info: AdapterInfo, config: type[BaseModel], receiver: Callable[[Any], HookReceiver | None]
    ) -> None:
        self.info = info
        self.config = config
        self._receiver = receiver

    def recognize(self, head: bytes) -> bool:
        """Nothing of this source comes in files."""
        del head
        return False

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """Nothing of this source comes in files."""
        del chunks, config
        yield Finding(
            reason="not-a-file-source", what="Fates of e-mails come from routes and links, not in files",
            where="byte 0", fix="Leave this source out of `gateway import`.",
        )  # fmt: skip

    def path(self, text: str) -> Callable[[object], str | None]:
        """A reader of one field of a fate."""
        if text not in Mail.__struct_fields__:
            fields = ", ".join(sorted(Mail.__struct_fields__))
            raise InvalidConfiguration("not a field of an e-mail's fate", where=text[:64], fix=f"use {fields}")
        return lambda record: getattr(record, text, None) or None

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """A pure function from a fate to a communication."""
        del config

        def normalize(body: bytes, context: bytes) -> Normalized:
            del context
            mail = read(body)
            ours = {name: value for name in ("patient", "about") if (value := getattr(mail, name))}
            patches = mapping.patches(mail.kind, mail)
            return Normalized(
                patches=tuple(replace(one, fields={**one.fields, **ours}, owner=mail.patient) for one in patches)
            )

        return normalize

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """Nothing is polled."""
        del name, config
        return ()

    def hooks(self, name: str, config: BaseModel) -> HookReceiver | None:
        """The receiver, where its keys are configured; it is mounted under the source's name by the core."""
        del name
        return self._receiver(config)


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


def read(body: bytes) -> Mail:
    """Take a message apart; ``InvalidContent`` when it is none of ours."""
    try:
        return _read(body)
    except msgspec.DecodeError:
        raise InvalidContent("not-mail", "The message tells of no e-mail", where="body") from None
