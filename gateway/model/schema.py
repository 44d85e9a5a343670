"""The published JSON Schema of every record type, made from the types and the docstrings of their fields.

``python -m gateway.model.schema FOLDER`` writes ``<Type>.json`` for each; the same types give the same bytes.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from gateway.model import TYPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(type_name: str) -> dict[str, Any]:
    """The JSON Schema of one record type as :func:`gateway.model.encode` writes it: absent fields, never null ones."""
    cls = TYPES[type_name]
    (reference,), components = msgspec.json.schema_components((cls,), ref_template="#/$defs/{name}")
    by_name = {struct.__name__: struct for struct in structs(cls)}
    described = {name: _described(by_name[name], part) for name, part in components.items()}
    top = described.pop(reference["$ref"].rpartition("/")[2])
    return {"$schema": DIALECT, **top, **({"$defs": dict(sorted(described.items()))} if described else {})}


def text(type_name: str) -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(type_name), indent=1) + "\n"


@cache
def field_docs(cls: type[msgspec.Struct]) -> dict[str, str]:
    """The docstring below each field of a struct, which Python itself forgets."""
    tree = ast.parse(inspect.getsource(cls))
    (definition,) = tree.body
    if not isinstance(definition, ast.ClassDef):
        raise TypeError(f"{cls.__name__} is not defined by a class statement")
    docs: dict[str, str] = {}
    for base in cls.__bases__:
        docs |= field_docs(base) if base is not msgspec.Struct else {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            docs[field.target.id] = inspect.cleandoc(ast.literal_eval(below.value))
    return docs


def structs(cls: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """The struct and every struct nested in it, directly or in a list."""
    found = [cls]
    for struct in found:
        for field in msgspec.structs.fields(struct):
            kind = msgspec.inspect.type_info(field.type)
            for part in kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,):
                item = part.item_type if isinstance(part, msgspec.inspect.VarTupleType) else part
                if isinstance(item, msgspec.inspect.StructType) and item.cls not in found:
                    found.append(item.cls)
    return found


def _described(cls: type[msgspec.Struct], part: dict[str, Any]) -> dict[str, Any]:
    """One struct's schema with its fields' meanings, and without the nulls and empty defaults that JSON never shows."""
    docs = field_docs(cls)
    properties = {name: {**_present(value), "description": docs[name]} for name, value in part["properties"].items()}
    return {**part, "properties": properties}


def _present(field: dict[str, Any]) -> dict[str, Any]:
    """A field's schema when it is there: no null alternative, no default but a meaningful one."""
    kept = {key: value for key, value in field.items() if key not in {"default", "anyOf"}}
    for option in field.get("anyOf", ()):
        if option != {"type": "null"}:
            kept |= option
    if None in kept.get("enum", ()):
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    if field.get("default"):
        kept["default"] = field["default"]
    return kept


def main(folder: str) -> None:
    """Write every schema into ``folder``."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for type_name in TYPES:
        (target / f"{type_name}.json").write_text(text(type_name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
