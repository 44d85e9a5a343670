"""The only I/O of this adapter: calendars by clinic and doctor, and the cases and authorizations that something named.

Strategy. The API filters by the time of the appointment alone and shows no version, so each look reads a calendar's
whole window and stores what differs from the digest remembered of it; a row pushed to another page while reading is met
by the next look. A row that is missing says nothing: cancelled, moved and left out look alike. No call lists cases, so
they are remembered as rows, webhooks and settings name them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from gateway.errors import InvalidConfiguration, RateLimited, SourceUnavailable
from gateway.model.exchange import Finding, Intake, Item
from gateway.transport.polling import Poller, Rhythm
from gateway.wire.json_decoder import decoder
from gateway_spry.config import SpryConfig
from gateway_spry.records import CalendarPage, appointment_item, authorization_item, case_items, digest, unreadable
from gateway_spry.transport_api import Api, connected, stamp, utc_now
from gateway_spry.transport_unlisted import Listing

TOLD = "cases-told"
"""Stream of the webhooks: the cases that they named."""
_STEP = 20
"""Cases whose messages are committed together."""
_MOST_FAILED = 20
"""After so many cases that could not be read, a look is given up: then it is not one case that is wrong."""
Now = Callable[[], datetime]


class Seen(msgspec.Struct, omit_defaults=True):
    """What is remembered of one calendar, or of the cases: digests by id, and the cases that rows named."""

    digests: dict[str, str] = {}
    cases: list[str] = []


_seen = decoder(Seen)


class Calendars:
    """The stream of all calendars."""

    name = "appointments"

    def __init__(self, api: Api, config: SpryConfig, now: Now) -> None:
        self._api, self._config, self._now = api, config, now

    async def poll(self, intake: Intake) -> None:
        """Read every calendar of every clinic."""
        now = self._now()
        listing = Listing() if self._config.unlisted == "gone" else None
        for clinic in await self._api.clinics():
            await self.read(clinic, intake, listing)
        if listing is not None:
            await listing.judge(intake, now.timestamp(), self._window(now)[1].timestamp(), stamp(now))

    async def read(self, clinic: str, intake: Intake, listing: Listing | None = None) -> None:
        """Read the calendars of one clinic; a calendar's digests are committed with the last of its rows."""
        for doctor in self._config.doctors:
            try:
                await self._read(clinic, doctor, intake, listing)
            except RateLimited:
                raise
            except SourceUnavailable:  # once more: error codes under status 200 pass mostly
                await self._read(clinic, doctor, intake, listing)

    async def holds(self, clinic: str, appointment: str, intake: Intake) -> bool:
        """Whether an appointment was seen in one of a clinic's calendars."""
        for doctor in self._config.doctors:
            if appointment in (await remembered(intake, _stream(clinic, doctor))).digests:
                return True
        return False

    def _window(self, now: datetime) -> tuple[datetime, datetime]:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return day - timedelta(days=self._config.days_back), day + timedelta(days=self._config.days_ahead + 1)

    async def _read(self, clinic: str, doctor: str, intake: Intake, listing: Listing | None) -> None:
        now = self._now()
        since, until = self._window(now)
        stream = _stream(clinic, doctor)
        before, seen, cases = await remembered(intake, stream), dict[str, str](), dict[str, None]()
        page, pages = 1, 1
        while page <= pages:
            found = await self._api.calendar(clinic, doctor, since, until, page)
            items, findings = self._changed(found, before, seen, cases, stamp(now))
            if listing is not None:
                listing.page(stream, found, first=page == 1)
            pages = found.pages if found.content else page
            if pages > self._config.most_pages:
                raise SourceUnavailable("A calendar has more pages than allowed", where="pages")
            last = page >= pages
            cursor = encoded(Seen(seen, list(cases))) if last else None
            await intake.accept(items, stream=stream if last else "", cursor=cursor, findings=findings)
            page += 1

    def _changed(
        self, page: CalendarPage, before: Seen, seen: dict[str, str], cases: dict[str, None], look: str
    ) -> tuple[list[Item], list[Finding]]:
        items: list[Item] = []
        findings: list[Finding] = []
        for at, raw in enumerate(page.content):
            row = bytes(raw)
            try:
                item, number, case = appointment_item(row, self._config.status_field, look)
            except msgspec.DecodeError:
                findings.append(unreadable(row, f"content[{at}]"))
                continue
            seen[number] = digest(row)
            cases |= {case: None} if case else {}
            if before.digests.get(number) != seen[number]:
                items.append(item)
        return items, findings


class Cases:
    """The stream of the cases that something named, with their authorizations."""

    name = "cases"

    def __init__(self, api: Api, config: SpryConfig, now: Now) -> None:
        self._api, self._config, self._now = api, config, now

    async def poll(self, intake: Intake) -> None:
        """Read each known case and what it is allowed; stored a few cases at a time."""
        wanted = dict.fromkeys((*self._config.cases, *(await remembered(intake, TOLD)).cases))
        for clinic in await self._api.clinics():
            for doctor in self._config.doctors:
                wanted |= dict.fromkeys((await remembered(intake, _stream(clinic, doctor))).cases)
        before = await remembered(intake, self.name)
        wanted |= dict.fromkeys(before.cases)
        seen, look = Seen(dict(before.digests), list(wanted)), stamp(self._now())
        failed = await self._look(seen.cases, seen, look, intake)
        failed = await self._look(list(failed), seen, look, intake)  # once more: most of it passes
        if failed:
            raise next(iter(failed.values()))

    async def _look(self, numbers: list[str], seen: Seen, look: str, intake: Intake) -> dict[str, SourceUnavailable]:
        """Read these cases; gives those that could not be read, which hold back no other."""
        failed: dict[str, SourceUnavailable] = {}
        for start in range(0, len(numbers), _STEP):
            items: list[Item] = []
            findings: list[Finding] = []
            for number in numbers[start : start + _STEP]:
                for part in await self._try(number, look, failed):
                    if isinstance(part, Finding):
                        findings.append(part)
                    elif self._is_new(part, seen.digests):
                        items.append(part)
            await intake.accept(items, stream=self.name, cursor=encoded(seen), findings=findings)
        return failed

    async def _try(self, number: str, look: str, failed: dict[str, SourceUnavailable]) -> list[Item | Finding]:
        try:
            return await self.parts(number, look)
        except RateLimited:
            raise
        except SourceUnavailable as error:
            failed[number] = error
            if len(failed) >= _MOST_FAILED:
                raise
            return []

    async def parts(self, number: str, look: str) -> list[Item | Finding]:
        """The messages of one case: itself, its insurance cards, its authorizations."""
        body = await self._api.case(number)
        if body is None:
            return []
        try:
            found: list[Item | Finding] = list(case_items(body, look))
        except msgspec.DecodeError:
            found = [unreadable(body, "patientCase")]
        for at, raw in enumerate(await self._api.authorizations(number)):
            try:
                found.append(authorization_item(bytes(raw), look))
            except msgspec.DecodeError:
                found.append(unreadable(bytes(raw), f"authorization[{at}]"))
        return found

    @staticmethod
    def _is_new(item: Item, digests: dict[str, str]) -> bool:
        name, _, rest = item.control_id.partition(":")
        *number, told, _look = rest.split(":", 3) if item.kind == "insurance_card" else rest.split(":", 2)
        key = f"{name}:{':'.join(number)}"
        return digests.get(key) != told and digests.update({key: told}) is None


async def remembered(intake: Intake, stream: str) -> Seen:
    """What was committed last of a stream."""
    cursor = await intake.cursor(stream)
    return _seen(cursor) if cursor else Seen()


def encoded(seen: Seen) -> str:
    """As a cursor."""
    return msgspec.json.encode(seen).decode()


class OrganisationTransport:
    """Polls calendars and cases until cancelled."""

    def __init__(self, name: str, config: SpryConfig) -> None:
        if not config.doctors and not config.cases:
            raise InvalidConfiguration(
                "Nothing to read is named", where=f"sources.{name}.config",
                fix="Set doctors: the ids of those whose calendars are read.",
            )  # fmt: skip
        self._name, self._config = name, config

    async def run(self, intake: Intake, opened: Callable[[], None]) -> None:
        """Poll; raises what only a person can put right."""
        config = self._config
        async with connected(config) as api:
            seldom = Rhythm(interval=config.case_poll_seconds)
            opened()
            async with asyncio.TaskGroup() as both:
                both.create_task(
                    Poller(self._name, [Calendars(api, config, utc_now)], Rhythm(interval=config.poll_seconds)).run(
                        intake
                    )
                )
                both.create_task(Poller(self._name, [Cases(api, config, utc_now)], seldom).run(intake))


def _stream(clinic: str, doctor: str) -> str:
    return f"calendar:{clinic}:{doctor}"
