"""The published JSON Schema says what the types say, and another implementation agrees."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from gateway.model import TYPES, encode, fold
from gateway.model.schema import field_docs, main, schema, structs, text
from tests.unit.model.strategies import Fields, example, records, unhurried

VALIDATORS = {name: Draft202012Validator(schema(name)) for name in TYPES}


def test_the_published_schemas_are_current(repository: Path, tmp_path: Path) -> None:
    """docs/reference/schema holds exactly what ``python -m gateway.model.schema docs/reference/schema`` writes."""
    main(str(tmp_path))
    published = {file.name: file.read_bytes() for file in (repository / "docs/reference/schema").iterdir()}
    assert published == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


@pytest.mark.parametrize("name", TYPES)
def test_every_schema_is_a_schema(name: str) -> None:
    """Each schema is valid by its dialect, and the smallest record of its type is valid by it."""
    Draft202012Validator.check_schema(schema(name))
    VALIDATORS[name].validate(json.loads(encode(fold(name, None, example(TYPES[name])))))
    assert text(name) == text(name)


@unhurried
@given(records())
def test_every_encoded_record_is_valid(drawn: tuple[str, list[Fields]]) -> None:
    """Whatever record is made, an independent validator accepts its JSON."""
    name, (fields,) = drawn
    VALIDATORS[name].validate(json.loads(encode(fold(name, None, fields))))


@pytest.mark.parametrize(
    ("field", "value"), [("status", "maybe"), ("start", 5), ("unknown", "x"), ("patient", None), ("minutes", "60")]
)
def test_the_schema_refuses_what_the_types_refuse(field: str, value: object) -> None:
    """A wrong word, type or field name fails the independent validator too."""
    record = json.loads(encode(fold("Appointment", None, example(TYPES["Appointment"]))))
    assert not VALIDATORS["Appointment"].is_valid({**record, field: value})


@pytest.mark.parametrize("name", TYPES)
def test_every_field_says_what_it_means(name: str) -> None:
    """Each field of each type and of what it holds has a docstring that ends as a sentence."""
    for struct in structs(TYPES[name]):
        docs = field_docs(struct)
        assert set(docs) == {field.name for field in msgspec.structs.fields(struct)}
        assert all(doc.endswith(".") for doc in docs.values()), struct


@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_frozen_and_strict(name: str) -> None:
    """Each type and what it holds is frozen, keyword-only in use, omits defaults and refuses unknown fields."""
    for struct in structs(TYPES[name]):
        config = struct.__struct_config__
        assert config.frozen
        assert config.omit_defaults
        assert config.forbid_unknown_fields
        with pytest.raises(TypeError):
            struct("positional")
