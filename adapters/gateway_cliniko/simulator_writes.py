"""What the simulated API lets a caller change: appointments, attendees, archiving; with the vendor's own refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway_cliniko.simulator_filters import Row, value_of
from gateway_cliniko.simulator_rows import DESCRIPTIONS, utc

if TYPE_CHECKING:
    from gateway_cliniko.simulator import ClinikoSimulator

Check = Callable[[Any], bool]
_TEXT: Check = lambda value: value is None or isinstance(value, str)  # noqa: E731 - a table of rules reads better
_FLAG: Check = lambda value: isinstance(value, bool)  # noqa: E731 - the same
_CODE: Check = lambda value: value in DESCRIPTIONS  # noqa: E731 - the same
CANCEL: Mapping[str, Check] = {"cancellation_reason": _CODE, "cancellation_note": _TEXT, "apply_to_repeats": _FLAG}
ATTENDEE: Mapping[str, Check] = {"arrived": lambda value: value is None or isinstance(value, bool), "notes": _TEXT}
APPOINTMENT: Mapping[str, Check] = {"notes": _TEXT, "starts_at": _TEXT, "ends_at": _TEXT}


class Writes:
    """The handlers of one account's writes."""

    def __init__(self, api: ClinikoSimulator) -> None:
        self._api = api
        self.done: Counter[str] = Counter()
        """How often each kind of write changed something."""

    def routes(self, router: web.UrlDispatcher) -> None:
        """Updates are PATCH; cancelling and archiving have paths of their own."""
        router.add_patch("/v1/individual_appointments/{id}/cancel", self._cancel)
        router.add_patch("/v1/individual_appointments/{id}", self._appointment)
        router.add_patch("/v1/attendees/{id}/cancel", self._cancel_place)
        router.add_patch("/v1/attendees/{id}", self._attendee)
        router.add_post("/v1/{list}/{id}/archive", self._archive)

    async def _cancel(self, request: web.Request) -> web.Response:
        asked, wrong = await _asked(request, CANCEL)
        if wrong is not None:
            return wrong
        id = request.match_info["id"]
        self._there("individual_appointments", id)
        self._api.cancel(id, asked.get("cancellation_reason", 50), asked.get("cancellation_note"))
        return await self._after(request, "cancel", web.Response(status=204))

    async def _cancel_place(self, request: web.Request) -> web.Response:
        """Only a place in a class; an individual appointment is cancelled itself."""
        asked, wrong = await _asked(request, CANCEL)
        row = self._there("attendees", request.match_info["id"])
        if wrong is None and str(value_of(row, "booking_id")) not in self._api.tables["group_appointments"]:
            wrong = _invalid({"base": "is not an attendee of a group appointment"})
        if wrong is not None:
            return wrong
        reason, note = asked.get("cancellation_reason", 50), asked.get("cancellation_note")
        marks: Row = {"cancelled_at": utc(self._api.now()), "cancellation_reason": reason, "cancellation_note": note}
        self._api.touch("attendees", row["id"], **marks)
        return await self._after(request, "cancel", web.Response(status=204))

    async def _appointment(self, request: web.Request) -> web.Response:
        return await self._update(request, "individual_appointments", APPOINTMENT)

    async def _attendee(self, request: web.Request) -> web.Response:
        return await self._update(request, "attendees", ATTENDEE)

    async def _update(self, request: web.Request, table: str, known: Mapping[str, Check]) -> web.Response:
        asked, wrong = await _asked(request, known)
        if wrong is not None:
            return wrong
        row = self._there(table, request.match_info["id"])
        if "arrived" in asked:
            self._api.arrive(row["id"], asked["arrived"])
        rest = {name: value for name, value in asked.items() if name != "arrived"}
        if rest:
            self._api.touch(table, row["id"], **rest)
        return await self._after(request, "arrive" if "arrived" in asked else "update", web.json_response(row))

    async def _archive(self, request: web.Request) -> web.Response:
        self._api.touch(request.match_info["list"], request.match_info["id"], archived_at=utc(self._api.now()))
        return await self._after(request, "archive", web.Response(status=204))

    def _there(self, table: str, id: str) -> Row:
        """The row; what is archived or deleted is not found, as for a reader who does not ask for it."""
        row = self._api.tables[table][id]
        if row.get("archived_at") or row.get("deleted_at"):
            raise KeyError(id)
        return row

    async def _after(self, request: web.Request, kind: str, answer: web.Response) -> web.Response:
        self.done[kind] += 1
        return await self._api.after(request, answer)


async def _asked(request: web.Request, known: Mapping[str, Check]) -> tuple[Row, web.Response | None]:
    """The fields of a body, and the refusal where one is not what the API takes."""
    try:
        asked = await request.json()
    except ValueError:
        return {}, web.json_response({"message": "Bad Request"}, status=400)
    if not isinstance(asked, dict):
        return {}, web.json_response({"message": "Bad Request"}, status=400)
    wrong = {name: "is invalid" for name, check in known.items() if name in asked and not check(asked[name])}
    return {name: asked[name] for name in known if name in asked}, _invalid(wrong) if wrong else None


def _invalid(errors: Mapping[str, str]) -> web.Response:
    return web.json_response({"message": "Validation Failed", "errors": dict(errors)}, status=422)
