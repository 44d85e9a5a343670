"""Writes to the simulated server: Bundles of type batch and transaction, by id or by identifier.

A PUT under an id makes the resource where it is new (update as create); conditional writes find a resource by one
identifier. A transaction happens whole or not at all.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from gateway_fhir.simulator_clinic import Row, utc

WRITE_FAULTS = {
    "refused-write": "refuses a write as not valid",
    "conflict": "refuses a write because somebody else writes",
    "no-bundles": "refuses a Bundle as too large",
    "odd-answer": "answers a Bundle with another one that says nothing",
}
_CODES = {404: "not-found", 409: "conflict", 412: "multiple-matches", 422: "invalid", 413: "too-long"}
_Said = tuple[int, str]


class SimulatedWrites:
    """What clients write into one server's ``tables``.

    ``checks_references`` makes it refuse what refers to nothing; ``bundles`` are those so far, as tests want to see.
    """

    def __init__(
        self, tables: dict[str, dict[str, Row]], now: Callable[[], datetime], takes: Callable[[str], bool]
    ) -> None:
        self.checks_references = False
        self.bundles: list[Row] = []
        self._tables = tables
        self._now = now
        self._takes = takes
        self._ids = itertools.count(1)

    async def take(self, request: web.Request) -> web.Response:
        """One Bundle."""
        bundle = await request.json()
        if request.content_type != "application/fhir+json" or bundle.get("resourceType") != "Bundle":
            return _refused(422)
        if self._takes("no-bundles") and len(bundle["entry"]) > 1:
            return _refused(413)
        self.bundles.append(bundle)
        whole = bundle["type"] == "transaction"
        before = copy.deepcopy(self._tables) if whole else {}
        answered: list[Row] = []
        for entry in bundle["entry"]:
            status, place = self._written(entry)
            if whole and status >= 400:
                self._tables.clear()
                self._tables.update(before)
                return _refused(status)
            answered.append(_response(status, place))
        if self._takes("odd-answer"):
            answered = []
        body = {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": answered}
        return web.json_response(body, content_type="application/fhir+json")

    def _written(self, entry: Row) -> _Said:
        request = entry["request"]
        for fault, status in (("refused-write", 422), ("conflict", 409)):
            if self._takes(fault):
                return status, ""
        place, _, query = request["url"].partition("?")
        type, _, id = place.partition("/")
        sought = query or request.get("ifNoneExist", "")
        found = self._found(type, sought) if sought else [id] * (id in self._tables.get(type, {}))
        if len(found) > 1:
            return 412, ""
        if request["method"] == "DELETE":
            if not found:
                return 404, ""
            del self._tables[type][found[0]]
            return 204, ""
        if request["method"] == "POST" and found:
            return 200, f"{type}/{found[0]}"
        if self.checks_references and any(self._lost(one) for one in _references(entry["resource"])):
            return 404, ""
        return self._kept(type, found[0] if found else id or f"made-{next(self._ids)}", entry["resource"])

    def _kept(self, type: str, id: str, resource: Row) -> _Said:
        table = self._tables.setdefault(type, {})
        version = int(table[id]["meta"]["versionId"]) + 1 if id in table else 1
        meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": utc(self._now())}
        status = 200 if id in table else 201
        table[id] = {**resource, "id": id, "meta": meta}
        return status, f"{type}/{id}/_history/{version}"

    def _found(self, type: str, query: str) -> list[str]:
        system, _, value = parse_qs(query)["identifier"][0].partition("|")
        return [
            id
            for id, row in self._tables.get(type, {}).items()
            if any(one.get("system") == system and one.get("value") == value for one in row.get("identifier", ()))
        ]

    def _lost(self, reference: str) -> bool:
        type, _, id = reference.partition("/")
        return id not in self._tables.get(type, {})


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [found for one in value.values() for found in _references(one)]


def _outcome(status: int) -> Row:
    issue = {"severity": "error", "code": _CODES.get(status, "processing"), "diagnostics": "Patient Ada Byrne"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _response(status: int, place: str) -> Row:
    said: Row = {"status": f"{status} said so"}
    if place:
        said["location"] = place
    if status >= 400:
        said["outcome"] = _outcome(status)
    return {"response": said}


def _refused(status: int) -> web.Response:
    return web.json_response(_outcome(status), status=status, content_type="application/fhir+json")
