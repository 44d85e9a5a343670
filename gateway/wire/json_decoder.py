"""JSON from outside, read so that it can fail in one way only: ``msgspec.DecodeError``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")
Text = bytes | str | msgspec.Raw


@overload
def decoder(type: type[T], *, float_hook: Callable[[str], Any] | None = None) -> Callable[[Text], T]: ...


@overload
def decoder(type: Any, *, float_hook: Callable[[str], Any] | None = None) -> Callable[[Text], Any]: ...


def decoder(type: Any, *, float_hook: Callable[[str], Any] | None = None) -> Callable[[Text], Any]:
    """A function from bytes to a value of ``type``.

    Text that is not UTF-8, and brackets a thousand deep, are errors of other families in msgspec; whoever catches
    ``DecodeError`` means them too.
    """
    read = msgspec.json.Decoder(type, float_hook=float_hook).decode

    def decode(body: Text) -> Any:
        try:
            return read(body)
        except RecursionError:
            raise msgspec.DecodeError("JSON is nested too deeply") from None
        except UnicodeDecodeError:
            raise msgspec.DecodeError("JSON is not UTF-8") from None

    return decode
