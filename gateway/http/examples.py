"""What the OpenAPI description shows of answers: their shape, and an example of each."""

from __future__ import annotations

from typing import Any

_APPOINTMENT = {"start": "2026-03-02T09:30:00-06:00", "status": "booked", "zone": "America/Chicago", "minutes": 45}
_RECORD = {
    "type": "Appointment",
    "id": "0b7e1f6a-5d0c-8a3e-9c1d-2f4b6a8c0e12",
    "version": 3,
    "at": "2026-03-01T14:02:11.120034Z",
    "source": "northside",
    "observed_at": "2026-03-01T14:02:11.004410Z",
    "record": _APPOINTMENT,
}
_CHANGE = {"change": "updated", **_RECORD}
_SHAPE = {
    "type": "object",
    "required": ["type", "id", "version", "at", "source", "observed_at"],
    "properties": {
        "type": {"type": "string"},
        "id": {"type": "string", "format": "uuid"},
        "version": {"type": "integer", "minimum": 1},
        "at": {"type": "string", "format": "date-time"},
        "source": {"type": "string"},
        "observed_at": {"type": "string", "format": "date-time"},
        "record": {"type": "object", "description": "The granted fields; see the JSON Schema of the type."},
        "damaged": {"type": "boolean", "description": "True when what is stored cannot be opened."},
    },
}
_CHANGED = {
    **_SHAPE,
    "required": ["change", *_SHAPE["required"]],
    "properties": {"change": {"enum": ["created", "updated", "removed", "merged"]}, **_SHAPE["properties"]},  # type: ignore[dict-item]  # the literal above is a mapping
}
_ERROR = {
    "type": "object",
    "required": ["error", "what"],
    "properties": {name: {"type": "string"} for name in ("error", "what", "where", "fix")},
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/json": {"schema": _ERROR}}}
    for status, words in {
        400: "The request is wrong; where and how to mend it",
        401: "No key or token, or one that holds no more",
        403: "This client may not",
        404: "Not there, or not for this client",
        422: "A parameter has a wrong form",
        429: "The quota is used up; Retry-After says when it is not",
        503: "The store or the keys are not there just now",
    }.items()
}


def _answers(name: str, item: dict[str, Any], example: dict[str, Any], end: dict[str, Any]) -> dict[int | str, Any]:
    fields = {"cursor": {"type": "string"}, "next": {"type": "string"}, "more": {"type": "boolean"}}
    schema = {"type": "object", "required": [name], "properties": {name: {"type": "array", "items": item}, **fields}}
    content = {"application/json": {"schema": schema, "example": {name: [example], **end}}}
    return {200: {"description": "A page", "content": content}, **ERRORS}


def _with_lines(answers: dict[int | str, Any], text: str) -> dict[int | str, Any]:
    answers[200]["content"]["application/x-ndjson"] = {"schema": {"type": "string"}, "example": text}
    return answers


_LINES = '{"change":"created","type":"Appointment",...}\n{"cursor":"q83...","more":true}\n'
CHANGES = _with_lines(_answers("changes", _CHANGED, _CHANGE, {"cursor": "q83v...", "more": True}), _LINES)
SNAPSHOTS = _with_lines(_answers("records", _SHAPE, _RECORD, {"next": "Zm9v...", "more": True}), _LINES)
LIST = _answers("records", _SHAPE, _RECORD, {"next": "Zm9v...", "more": True})
READ: dict[int | str, Any] = {
    200: {"description": "The record", "content": {"application/json": {"schema": _SHAPE, "example": _RECORD}}},
    **ERRORS,
}
