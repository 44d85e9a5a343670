"""A path reader over nested dictionaries, for tests of the engine without any wire format.

``a.b`` reads nested keys, ``a[*]`` the items of a list, ``.a`` and ``.`` read inside an item. The text ``NULL`` stands
for a value that the source deletes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.mapping import NULL, Mapping


def path(text: str) -> Callable[[Any], Any]:
    """Compile one path."""
    if " " in text:
        raise ValueError("a path has no spaces")
    every = text.endswith("[*]")
    names = [name for name in text.removesuffix("[*]").split(".") if name]

    def read(record: Any) -> Any:
        value = record
        for name in names:
            if not isinstance(value, dict) or name not in value:
                return None
            value = value[name]
        if value == "NULL":
            return NULL
        if every and not isinstance(value, list):
            raise TypeError("not a list")
        return None if value is None else value

    return read


def folder(place: Path, **texts: str) -> Path:
    """A folder with one file for each text; ``codes__status`` becomes ``codes/status.toml``."""
    for name, text in texts.items():
        file = place / f"{name.replace('__', '/')}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return place


def mapping(
    place: Path, rules: str, *, head: str = 'record = "Thing"\nkinds = ["k"]\nid = { from = "id" }\n'
) -> Mapping:
    """A mapping of one file with these rules."""
    return Mapping.load(folder(place / "demo", thing=head + rules), None, path)


def fields(place: Path, rules: str, record: dict[str, Any], zone: str = "UTC") -> dict[str, Any]:
    """The patch fields that these rules make of a record."""
    (patch,) = mapping(place, rules).bind(zone=zone).patches("k", {"id": "1", **record})
    return patch.fields
