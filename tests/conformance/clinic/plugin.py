"""An adapter whose source speaks JSON lists, with a switch for each way of being bad."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Any

import aiohttp
import msgspec
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import GatewayError, InvalidContent, SourceUnavailable
from gateway.hookspecs import hookimpl
from gateway.model.exchange import AdapterInfo, Finding, Item, RateBudget, Stream
from gateway.model.form import Form, Shape
from gateway.model.full_list import Looked, Seen, SweepPage
from gateway.model.patch import Normalized
from gateway.transport.polling import Poller, Rhythm
from gateway.wire.json_form import members, without_member

FAULT = os.environ.get("BROKEN", "")
"""Which rule is broken."""
COUNTER = {"calls": 0}
GUESTS = 1000
"""Ids from here on are guests'."""


class Config(BaseModel):
    model_config = ConfigDict(extra="ignore" if FAULT == "clear-errors" else "forbid")
    base_url: str = Field("http://127.0.0.1:1", description="Where the clinic's system is.")
    poll_seconds: float = Field(60.0, description="Seconds between two looks.")
    requests_per_second: int = Field(15, description="How often it may be asked.")


class Lists:
    """One list, page by page, by the time of change."""

    name = "patients"

    def __init__(self, source: str, config: Config) -> None:
        self._source = source
        self._config = config
        self._times: list[float] = []

    async def poll(self, intake: Any) -> None:
        since = await intake.cursor(self.name) or ""
        if FAULT == "polls-incrementally":
            since = ""
        if FAULT == "resumes-after-kill" and self._source == "killed" and since == "":
            marked = await intake.cursor("begun")
            await intake.accept([], stream="begun", cursor="1")
            if marked:  # broken off once: it takes that for the end
                since = f"{int(time.time() * 1_000_000):020d}"
        newest, offset = since, 0
        async with aiohttp.ClientSession() as session:
            while True:
                page = await self._page(session, since, offset)
                rows = [msgspec.Raw(row) for row in page.rows]
                items = [item_of(bytes(row)) for row in rows]
                newest = max([newest, *(str(msgspec.json.decode(row)["changed"]) for row in rows)])
                last = offset + len(rows) >= page.total
                reached = newest if FAULT == "clock-skew" else min(newest, f"{int(time.time() * 1_000_000):020d}")
                if FAULT == "cursor-moves-with-storage":
                    try:
                        await intake.accept(items, stream=self.name, cursor=reached if last else None)
                    except GatewayError:
                        if not last:
                            offset += len(rows)
                            continue
                        await asyncio.sleep(3600)
                else:
                    await intake.accept(items, stream=self.name, cursor=reached if last else None)
                if FAULT == "errors-hold-no-values":
                    sys.stdout.write(str([bytes(row) for row in rows]))
                if last:
                    return
                if FAULT == "pages-without-gaps":
                    offset += len(rows)
                else:
                    since = newest

    async def _page(self, session: Any, since: str, offset: int) -> Page:
        page = await self.ask(session, {"since": since, "offset": str(offset)})
        if page.total != page.announced:
            raise SourceUnavailable("The clinic's totals do not agree", where="patients")
        return page

    async def ask(self, session: Any, query: dict[str, str]) -> Page:
        now = time.monotonic()
        self._times = [at for at in self._times if at > now - 1.05]
        if len(self._times) >= self._config.requests_per_second and FAULT != "stays-within-rate-budget":
            await asyncio.sleep(1.1 - (now - self._times[0]))
        try:
            async with session.get(f"{self._config.base_url}/patients", params=query) as answer:
                if answer.status == 500 and FAULT == "recovers-from-500":
                    await asyncio.sleep(3600)
                if answer.status != 200:
                    raise SourceUnavailable("The clinic does not answer", where="patients")
                body = await answer.read()
            self._times.append(time.monotonic())
            return msgspec.json.decode(body, type=Page)
        except (aiohttp.ClientError, msgspec.DecodeError):
            raise SourceUnavailable("The clinic answered no page", where="patients") from None


class FullList:
    """All patients by their ids; guests, whom another list of the clinic brings, are not among them."""

    name, type, also, versioned, history = "patients", "Patient", (), True, False

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def owns(self, native_id: str) -> bool:
        return int(native_id) < GUESTS or FAULT == "authoritative-sweep"

    async def page(self, cursor: str | None) -> SweepPage:
        page = await self._ask(after=cursor or "0")
        seen = tuple(Seen(str(row["id"]), row["changed"]) for row in map(msgspec.json.decode, page.rows))
        return SweepPage(seen=seen, cursor=seen[-1].native_id if page.total else None)

    async def look(self, native_ids: Sequence[str]) -> Looked:
        if FAULT == "authoritative-sweep-asks-nobody":
            return Looked(items=(), found=frozenset())
        try:
            page = await self._ask(ids=",".join(native_ids))
        except SourceUnavailable:
            if FAULT != "authoritative-sweep-error-is-absence":
                raise
            return Looked(items=(), found=frozenset())
        items = [item_of(bytes(msgspec.Raw(row))) for row in page.rows]
        return Looked(items=tuple(items), found=frozenset(one.order_key or "" for one in items))

    async def _ask(self, **query: str) -> Page:
        async with aiohttp.ClientSession() as session:
            return await self._lists.ask(session, query)


class Page(msgspec.Struct):
    rows: list[msgspec.Raw]
    total: int
    announced: int


def item_of(row: bytes) -> Item:
    told = msgspec.json.decode(row)
    return Item(body=row, kind="patient", control_id=f"p{told['id']}-{told['changed']}", order_key=str(told["id"]))


class Polling:
    def __init__(self, name: str, config: Config) -> None:
        hasty = FAULT == "stays-within-rate-budget" and config.poll_seconds == 0.05
        rhythm = Rhythm(interval=0.0 if hasty else config.poll_seconds, backoff=0.05, backoff_cap=0.2)
        lists = Lists(name, config)
        self._poller = Poller(name, [lists], rhythm, sweeps=[FullList(lists)])

    async def run(self, intake: Any, opened: Callable[[], None]) -> None:
        opened()
        if FAULT == "hostile-raises":
            raise ZeroDivisionError
        if FAULT == "hostile-hangs":
            await asyncio.sleep(3600)
        if FAULT == "hostile-floods":
            for number in range(3000):
                row = msgspec.json.encode({"id": number, "name": f"Flood {number}", "changed": "2026"})
                await intake.accept([item_of(row)])
        if FAULT == "hostile-holds-the-loop":
            time.sleep(0.5)
        await self._poller.run(intake)


class ClinicAdapter:
    info = AdapterInfo(
        name="broken", version="1", api=1, summary="A made-up clinic for tests.",
        streams=(Stream(name="patients", types=("Patient",), mode="poll"),),
        gaps=() if FAULT == "capabilities-declared" else ("It knows patients only.",),
        rate=RateBudget(requests=20, seconds=1.0),
    )  # fmt: skip
    config = Config
    mappings = files("clinic") / "mapping"

    def recognize(self, head: bytes) -> bool:
        return head.startswith(b'{"id"')

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        for line in b"".join(chunks).splitlines():
            try:
                yield item_of(line)
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
                yield Finding(reason="no-json", what="The line is no patient", where="line", body=line)

    def path(self, text: str) -> Callable[[object], object]:
        return lambda row: told(row, text)

    def normalizer(self, config: Any, mapping: Any) -> Callable[[bytes, bytes], Normalized]:
        def normalize(body: bytes, context: bytes) -> Normalized:
            return understand(body, mapping)

        if FAULT == "erasure" and not config.base_url.endswith(":1"):
            return lambda body, context: about_nobody(normalize(body, context))
        if FAULT != "same-bytes-same-patches" or config.base_url.endswith(":1"):
            return normalize
        seen: set[bytes] = set()

        def forgetful(body: bytes, context: bytes) -> Normalized:
            found = normalize(body, context)
            again = ("again",) if body in seen else ()
            seen.add(body)
            return Normalized(patches=found.patches, residue=again)

        return forgetful

    def transports(self, name: str, config: Any) -> Sequence[Any]:
        return [Polling(name, config)]


def told(row: Any, name: str) -> str | None:
    value = row.get(name)
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def about_nobody(found: Normalized) -> Normalized:
    return Normalized(patches=tuple(msgspec.structs.replace(one, patient=None) for one in found.patches))


def understand(body: bytes, mapping: Any) -> Normalized:
    if FAULT == "hostile-wrong-types":
        return {"what": "no patches"}
    COUNTER["calls"] += 1
    if FAULT == "speed-floor":
        until = time.process_time() + 0.004
        while time.process_time() < until:
            pass
    if FAULT == "full-sync" and b'"id": 3,' in body:
        raise InvalidContent("no-threes", "It does not like threes", where="id", fix="Use fours.")
    try:
        row = msgspec.json.decode(body)
        _ = row["id"], row["name"], row["changed"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        cure = "" if FAULT == "quarantine-quality" else "Ask for it again."
        raise InvalidContent("no-patient", "This is no patient", where="body", fix=cure) from None
    if FAULT == "reads-deletions":
        row.pop("gone", None)
    patches = mapping.patches("patient", row)
    if FAULT == "golden-messages":
        patches[0].fields["language"] = "fr"
    return Normalized(patches=patches)


if FAULT != "drift-found":
    ClinicAdapter.shape = Shape(
        form=lambda body, context: Form("patient", members(body)), origins=lambda path: (path,),
        without=lambda body, context, place: without_member(body, place),
    )  # fmt: skip


@hookimpl
def gateway_adapters() -> Sequence[Any]:
    return [ClinicAdapter()]
