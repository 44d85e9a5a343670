"""A small client of the feed, for programs that read it: the standard library alone, typed, and able to resume.

    client = Client("https://gateway.example.org", key)
    feed = client.changes(after=saved)
    for change in feed:
        book(change)              # safe to meet twice: the same id and version is the same change
        save(feed.cursor)         # moves once a page is behind you; begin again from here after a crash

A reader without a cursor begins with :meth:`Client.snapshot`, whose ``cursor`` leads on to the changes after it.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

NDJSON = "application/x-ndjson"
AGAIN = frozenset({429, 502, 503, 504})
LONGEST_PAUSE = 60.0
AFTER_LOSS = 0.5
"""Seconds before a connection that was lost in the middle of an answer is taken up again."""
PAGES = 10
"""Pages of one answer of the feed."""


class FeedError(Exception):
    """The gateway refused a request, or could not be reached for as long as the client was told to try.

    ``status`` is the HTTP status, 0 without an answer; ``error``, ``where`` and ``fix`` are the gateway's own words.
    """

    def __init__(self, status: int, error: str, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(" ".join(filter(None, (f"{status} {error}: {what}.", where and f"At {where}.", fix))))
        self.status = status
        self.error = error
        self.where = where
        self.fix = fix


@dataclass(frozen=True)
class Record:
    """One record as it stands; ``record`` holds the granted fields, or is None when what is stored is damaged."""

    type: str
    id: str
    version: int
    at: str
    source: str
    observed_at: str
    record: Mapping[str, Any] | None = None
    damaged: bool = False


@dataclass(frozen=True, kw_only=True)
class Change(Record):
    """One change of a record: created, updated, removed or merged. Of a removed one, ``record`` is the last content."""

    change: str


class Client:
    """Asks one gateway with one API key.

    Args:
        url: the gateway's public address; plain HTTP only to this machine.
        key: the API key, or an access token.
        ca_file: authorities to trust instead of the system's.
        timeout: seconds without a byte after which a connection counts as lost; more than ``wait``.
        patience: seconds for which a gateway that is busy or away is asked again before :class:`FeedError`.
    """

    def __init__(
        self, url: str, key: str, *, ca_file: Path | None = None, timeout: float = 90.0, patience: float = 300.0
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname or "")):
            raise ValueError("a gateway is asked by https, or by http on this machine")
        self._url = url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._patience = patience
        tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._opener = build_opener(HTTPSHandler(context=tls), ProxyHandler({}), _Stay())

    def __repr__(self) -> str:
        return f"<Client of {self._url}>"

    def changes(self, after: str = "", types: Sequence[str] = (), wait: float = 30.0, *, follow: bool = True) -> Feed:
        """Changes after a cursor, for ever, or to the journal's end without ``follow``."""
        return Feed(self, after, types, wait if follow else 0.0, follow=follow)

    def snapshot(self, types: Sequence[str] = ()) -> Snapshot:
        """Every record as it stands; afterwards ``cursor`` is where the changes go on."""
        return Snapshot(self, types)

    def get(self, type: str, id: str) -> Record:
        """One record by its id."""
        return Record(**self._json(f"/v1/{quote(type)}/{quote(id)}", {}))

    def list(self, type: str, **filters: str | int) -> Iterator[Record]:
        """Records of one type: ``patient``, ``source``, ``changed_since`` narrow them down."""
        asked = dict(filters)
        while True:
            page = self._json(f"/v1/{quote(type)}", asked)
            yield from (Record(**one) for one in page["records"])
            if "next" not in page:
                return
            asked["after"] = page["next"]

    def _json(self, path: str, asked: Mapping[str, Any]) -> Any:
        return self.patiently(lambda: json.load(self._open(path, asked, "application/json")))

    def lines(self, path: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The lines of one NDJSON answer. A connection that is lost raises ``OSError`` where it was lost."""
        with self.patiently(lambda: self._open(path, asked, NDJSON)) as response:
            for line in response:
                if not line.endswith(b"\n"):
                    raise ConnectionError("the answer was cut off")
                yield json.loads(line)

    def _open(self, path: str, asked: Mapping[str, Any], accept: str) -> Any:
        query = urlencode({name: value for name, value in asked.items() if value not in ("", None)})
        url = f"{self._url}{path}" + (f"?{query}" if query else "")
        headers = {"Authorization": f"Bearer {self._key}", "Accept": accept}
        return self._opener.open(Request(url, headers=headers), timeout=self._timeout)  # noqa: S310 - the scheme was checked when the client was made

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer; what the gateway refuses for good is raised at once."""
        end = time.monotonic() + self._patience
        pause = 0.5
        while True:
            after: str | None = None
            try:
                return ask()
            except HTTPError as error:
                failure, after = _told(error), error.headers.get("Retry-After")
                if error.code not in AGAIN:
                    raise failure from None
            except (URLError, OSError, http.client.HTTPException) as error:
                failure = FeedError(0, "no-answer", f"The gateway cannot be reached: {type(error).__name__}")
            wait = min(LONGEST_PAUSE, float(after) if after and after.isdigit() else pause)
            if time.monotonic() + wait > end:
                raise failure from None
            time.sleep(wait)
            pause = min(LONGEST_PAUSE, pause * 2)


class Feed:
    """Iterates over changes; ``cursor`` lies behind the last page of which every change was taken."""

    def __init__(self, client: Client, after: str, types: Sequence[str], wait: float, *, follow: bool) -> None:
        self._client = client
        self._types = ",".join(types)
        self._wait = wait
        self._follow = follow
        self.cursor = after

    def __iter__(self) -> Iterator[Change]:
        """Go on from the cursor. After a lost connection, what came since the cursor comes again."""
        while True:
            came = False
            asked = {"after": self.cursor, "types": self._types, "wait": self._wait, "limit": PAGES * 1000}
            more = True
            try:
                for line in self._client.lines("/v1/changes", asked):
                    if "change" in line:
                        came = True
                        yield Change(**line)
                    else:
                        self.cursor, more = line["cursor"], line.get("more", False)
            except (OSError, http.client.HTTPException):
                time.sleep(AFTER_LOSS)
                continue
            if not self._follow and not came and not more:
                return


class Snapshot:
    """Iterates over records as they stand; ``cursor`` is there once all of them were taken."""

    def __init__(self, client: Client, types: Sequence[str]) -> None:
        self._client = client
        self._types = ",".join(types)
        self._next = ""
        self.cursor: str | None = None

    def __iter__(self) -> Iterator[Record]:
        """Go on with the page that was not taken wholly."""
        while self.cursor is None:
            end: dict[str, Any] = {}
            try:
                for line in self._client.lines("/v1/snapshots", {"after": self._next, "types": self._types}):
                    if "type" in line:
                        yield Record(**line)
                    else:
                        end = line
            except (OSError, http.client.HTTPException):
                time.sleep(AFTER_LOSS)
                continue
            self._next, self.cursor = end.get("next", self._next), end.get("cursor")


class _Stay(HTTPRedirectHandler):
    """A gateway never sends its clients elsewhere; a key must not follow anyone who does."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse to follow."""


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _told(error: HTTPError) -> FeedError:
    """The gateway's own words about a refusal."""
    with error:
        try:
            body = json.loads(error.read(65_536))
            words = {name: str(body.get(name, "")) for name in ("error", "what", "where", "fix")}
        except (ValueError, AttributeError):
            words = {"error": "refused", "what": "The gateway refused without words"}
    return FeedError(error.code, **words)
