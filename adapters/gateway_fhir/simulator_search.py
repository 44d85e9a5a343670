"""Search at the simulated server, page by page, with the ways in which servers lie about their pages."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from aiohttp import web

from gateway.testing.simulated_api import SimulatedApi
from gateway_fhir.simulator_bulk import outcome
from gateway_fhir.simulator_clinic import Row


class SimulatedSearch:
    """All searches of one server, ``api``, whose faults it acts out."""

    def __init__(self, api: SimulatedApi, tables: Mapping[str, Mapping[str, Row]]) -> None:
        self._api = api
        self._tables = tables
        self.reuses = False
        """Whether a search that was made before is answered as it was then, but for who asks otherwise."""
        self._asked: dict[str, str] = {}
        self.pages: dict[str, list[Row]] = {}
        """What the pages of each search show, for as long as the server remembers."""
        self._numbers = itertools.count(1)

    async def answer(self, request: web.Request) -> web.Response:
        """One page; the rows of a search stay as they are until its last page."""
        type, query = request.match_info["type"], request.query
        if self._api.takes("refused-search"):
            return outcome(400, "not-supported", "Patient.name")
        size, begin = int(query.get("_count", "50")), int(query.get("_offset", "0"))
        name = query.get("_page", "")
        if not name and self.reuses and request.headers.get("Cache-Control") != "no-cache":
            name = self._asked.get(request.path_qs, "")
        if not name:
            since = query.get("_lastUpdated", "ge").removeprefix("ge")
            wanted = set(query["_id"].split(",")) if "_id" in query else None
            rows = [
                dict(row)
                for row in self._tables.get(type, {}).values()
                if row["meta"]["lastUpdated"] >= since and (wanted is None or row["id"] in wanted)
            ]
            name = self._asked[request.path_qs] = str(next(self._numbers))
            self.pages[name] = sorted(rows, key=lambda row: str(row["meta"]["lastUpdated"]))
        rows = self.pages[name]
        links = [{"relation": "self", "url": str(request.url)}]
        following = request.url.with_query({"_page": name, "_offset": str(begin + size), "_count": str(size)})
        if begin + size < len(rows) and not self._api.early:
            links.append({"relation": "next", "url": str(following)})
        for fault, url in (("looping-links", request.url), ("foreign-link", following.with_host("localhost"))):
            if self._api.takes(fault):
                links = [{"relation": "next", "url": str(url)}]
        if self._api.takes("endless-pages"):
            links = [{"relation": "next", "url": str(following)}]
        entries = [
            {
                "fullUrl": f"{request.url.origin()}{request.path}/{row['id']}",
                "resource": row,
                "search": {"mode": "match"},
            }
            for row in rows[begin : begin + size]
        ]
        total = len(rows) + (7 if self._api.takes("wrong-total") else 0)
        body = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries}
        return web.json_response(body, content_type="application/fhir+json")
