"""Settings that point elsewhere: secrets by reference, and paths taken from the folder of ``gateway.toml``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gateway.errors import InvalidConfiguration

Model = TypeVar("Model", bound=BaseModel)


class Secret(str):
    """A reference to a secret, ``env:NAME`` or ``file:path``; the secret itself is never a setting."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """A string that pydantic accepts only as a reference."""
        return core_schema.no_info_after_validator_function(cls.checked, core_schema.str_schema())

    @classmethod
    def checked(cls, text: str) -> Self:
        """The reference, or ValueError without the text: it may be the secret."""
        if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", text):
            raise ValueError("a secret is named, not written: use env:NAME or file:path")
        return cls(text)


def resolve_secret(reference: str) -> str:
    """The secret behind a reference, read now.

    Raises:
        InvalidConfiguration: the variable is not set, or the file cannot be read or is empty.
    """
    scheme, _, name = Secret.checked(reference).partition(":")
    if scheme == "env":
        found = os.environ.get(name, "")
        fix = f"Set {name} for the process that runs the gateway."
    else:
        try:
            found = Path(name).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problem = f"A secret cannot be read: {type(error).__name__}"
            raise InvalidConfiguration(
                problem, where=reference, fix="Write it there, readable by the gateway."
            ) from None
        fix = "Write the secret into that file."
    if not found:
        raise InvalidConfiguration("A secret is empty or not set", where=reference, fix=fix)
    return found


def located(part: Model, folder: Path) -> Model:
    """The same settings with every relative path, and every ``file:`` secret, taken from ``folder``."""
    changed = {name: _located(value, folder) for name, value in part}
    return part.model_copy(update=changed)


def _located(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, Secret) and value.startswith("file:"):
        return Secret(f"file:{folder / value[5:]}")
    if isinstance(value, BaseModel):
        return located(value, folder)
    if isinstance(value, dict):
        return {name: _located(item, folder) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_located(item, folder) for item in value)
    return value
