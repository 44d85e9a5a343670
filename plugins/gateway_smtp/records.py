"""Messages of a mail source: what :mod:`gateway.wire.mail` tells of e-mails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from gateway.errors import InvalidConfiguration, InvalidContent
from gateway.model.exchange import Finding, Item
from gateway.wire.json_decoder import decoder
from gateway.wire.mail import Mail

_read = decoder(Mail)


def read(body: bytes) -> Mail:
    """Take a message apart; ``InvalidContent`` when it is none of ours."""
    try:
        return _read(body)
    except msgspec.DecodeError:
        raise InvalidContent("not-mail", "The message tells of no e-mail", where="body") from None


def path(text: str) -> Callable[[object], str | None]:
    """Compile the name of a field into a reader."""
    if text not in Mail.__struct_fields__:
        fields = ", ".join(sorted(Mail.__struct_fields__))
        raise InvalidConfiguration("not a field of an e-mail's fate", where=text[:64], fix=f"use {fields}")

    def read_field(record: object) -> str | None:
        return getattr(record, text, None) or None

    return read_field


def cut(chunks: Iterable[bytes]) -> Iterator[Item | Finding]:
    """Nothing of this source comes in files."""
    del chunks
    yield Finding(
        reason="not-a-file-source", what="Fates of e-mails come from routes and links, not in files", where="byte 0",
        fix="Leave this source out of `gateway import`.",
    )  # fmt: skip
