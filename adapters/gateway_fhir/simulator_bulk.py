"""Bulk Data exports of the simulated server: asked for, worked on, given out as NDJSON, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from aiohttp import web

from gateway_fhir.simulator_clinic import Row, utc


class SimulatedExports:
    """All exports of one server.

    ``busy`` is how often an export's state says that it is still being made; ``gone`` names what was deleted since.
    """

    def __init__(
        self, tables: Mapping[str, Mapping[str, Row]], now: Callable[[], datetime], takes: Callable[[str], bool]
    ) -> None:
        self.busy = 1
        self.counts = True
        """Whether a manifest says how many lines a file has."""
        self.open_files = ""
        """Where files are had without a token by signed addresses, as of a cloud's storage; here with one if empty."""
        self.expired = False
        """Whether the time of such addresses is over."""
        self.retry_after = "0"
        self.gone: list[tuple[str, str]] = []
        self.failed: list[Row] = []
        """OperationOutcomes of what could not be exported."""
        self.asked: list[dict[str, str]] = []
        """The questions so far, as tests want to see them."""
        self.released: list[str] = []
        self._tables = tables
        self._now = now
        self._takes = takes
        self._jobs: dict[str, Row] = {}

    def routes(self, router: web.UrlDispatcher, base: str) -> None:
        """The addresses of the standard, and where state and files are."""
        for level in ("$export", "Patient/$export", "Group/{group}/$export"):
            router.add_get(f"{base}/{level}", self._ask)
        router.add_get(f"{base}/export/{{job}}", self._state)
        router.add_delete(f"{base}/export/{{job}}", self._release)
        router.add_get(f"{base}/export/{{job}}/{{file}}.ndjson", self._file)

    def refusal(self, request: web.Request) -> web.Response | None:
        """A storage's answer to an address that is over, or to a second way of getting in beside the signature."""
        if "Authorization" in request.headers:
            return web.Response(text="<Error>InvalidArgument</Error>", content_type="application/xml", status=400)
        if self.expired:
            return web.Response(text="<Error>AccessDenied</Error>", content_type="application/xml", status=403)
        return None

    async def _ask(self, request: web.Request) -> web.Response:
        if request.headers.get("Prefer") != "respond-async":
            return outcome(400, "invalid")
        self.asked.append(dict(request.query))
        job = str(len(self.asked))
        since = request.query.get("_since", "")
        types = [one for one in request.query.get("_type", "").split(",") if one]
        files = {type: self._lines(type, since) for type in types or self._tables}
        self._jobs[job] = {"at": utc(self._now()), "files": files, "left": self.busy, "request": str(request.url)}
        address = request.url.with_path(request.path.partition("/fhir")[0] + f"/fhir/export/{job}").with_query(None)
        return web.Response(status=202, headers={"Content-Location": str(address)})

    def _lines(self, type: str, since: str) -> list[str]:
        rows = self._tables.get(type, {}).values()
        return [json.dumps(row) for row in rows if row["meta"]["lastUpdated"] >= since]

    async def _state(self, request: web.Request) -> web.Response:
        job = self._jobs[request.match_info["job"]]
        if job["left"]:
            job["left"] -= 1
            return web.Response(status=202, headers={"Retry-After": self.retry_after, "X-Progress": "at work"})
        if self._takes("export-changes"):
            job["at"] = utc(self._now())
            job["files"] = {type: lines[1:] for type, lines in job["files"].items()}
        if self._takes("export-fails"):
            return outcome(500, "exception")
        address = f"{self.open_files or request.url.origin()}{request.path}/"
        output = [
            {"type": type, "url": f"{address}{type}.ndjson"} | ({"count": len(lines)} if self.counts else {})
            for type, lines in job["files"].items()
            if lines
        ]
        manifest: Row = {
            "transactionTime": job["at"], "request": job["request"], "requiresAccessToken": not self.open_files,
            "output": output,
            "deleted": [{"type": "Bundle", "url": f"{address}deleted.ndjson"}] if self.gone else [],
            "error": [{"type": "OperationOutcome", "url": f"{address}error.ndjson"}] if self.failed else [],
        }  # fmt: skip
        return web.json_response(manifest)

    async def _file(self, request: web.Request) -> web.Response:
        name, job = request.match_info["file"], self._jobs[request.match_info["job"]]
        if name == "deleted":
            entries = [{"request": {"method": "DELETE", "url": f"{type}/{id}"}} for type, id in self.gone]
            lines = [json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})]
        else:
            lines = [json.dumps(one) for one in self.failed] if name == "error" else job["files"][name]
        if self._takes("short-file"):
            lines = lines[: len(lines) // 2]
        body = "".join(f"{line}\n" for line in lines)
        return web.Response(text=body, content_type="application/fhir+ndjson")

    async def _release(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        del self._jobs[job]
        self.released.append(job)
        return web.Response(status=202)


def outcome(status: int, code: str, *places: str) -> web.Response:
    """An error as FHIR servers tell it."""
    issue: Row = {"severity": "error", "code": code, "diagnostics": "This text may hold anything and is not shown."}
    issue |= {"expression": list(places)} if places else {}
    body = {"resourceType": "OperationOutcome", "issue": [issue]}
    return web.json_response(body, status=status, content_type="application/fhir+json")
