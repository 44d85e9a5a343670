"""Polling the simulated clinic over real sockets: consent kept, everything once, changes as they come."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import msgspec
import pytest
from aiohttp import web

from gateway import model
from gateway.errors import RateLimited, SourceUnavailable, StoreUnavailable
from gateway.model.exchange import RateBudget
from gateway.model.identity import Ref
from gateway_jane.config import JaneConfig
from gateway_jane.simulator import JaneSimulator
from gateway_jane.transport_api import VERSION, Api, utc_now
from gateway_jane.transport_tokens import audience
from tests.unit.adapters.jane.clinic import CLINIC, START, Clinic, normalize, with_clinic

WITH = normalize()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANE_SECRET", "simulated-secret")


def ids(items, kind: str) -> list[str]:
    return sorted(msgspec.json.decode(item.body)["id"] for item in items if item.kind == kind)


def test_a_full_sync_brings_every_row_once(tmp_path) -> None:
    """Each row of each list is stored once, page by page, and makes valid records."""

    async def body(clinic: Clinic) -> None:
        items = await clinic.poll()
        for kind in clinic.streams:
            assert ids(items, kind) == sorted(clinic.held(kind))
        for item in items:
            for one in WITH(item.body, item.context).patches:
                fields = {name: v.native_id if isinstance(v, Ref) else v for name, v in one.fields.items()}
                assert model.fold(one.type, None, fields) is not None

    with_clinic(tmp_path, body, per_page=20)


def test_a_vendor_whose_clock_is_late_hides_no_change(tmp_path) -> None:
    """What changes at a clinic whose clock is an hour late is asked for from an hour earlier on, at once."""

    async def body(clinic: Clinic) -> None:
        clinic.simulator.skew = -3600.0
        await clinic.poll()
        clinic.tick()
        await clinic.poll()
        first = next(iter(clinic.held("appointments")))
        clinic.tick()
        await clinic.simulator.cancel(first, "Sick")
        assert ids(await clinic.poll(), "appointments") == [first]

    with_clinic(tmp_path, body)


def test_a_message_is_the_same_whichever_list_was_read_first(tmp_path) -> None:
    """Two readings of one clinic in other orders, as they happen by chance, store the same bytes and envelopes."""
    read: list[set[tuple[bytes, bytes]]] = []

    async def body(clinic: Clinic) -> None:
        order = sorted(clinic.streams, reverse=bool(read))
        read.append({(item.body, item.context) for item in await clinic.poll(*order)})

    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        with_clinic(folder, body, simulator=JaneSimulator(CLINIC, clock=START.timestamp))
    assert read[0] == read[1]


def test_only_what_changed_comes_again(tmp_path) -> None:
    """A second look stores nothing; a cancellation, an arrival and an archived appointment are seen."""

    async def body(clinic: Clinic) -> None:
        await clinic.poll()
        clinic.tick()
        assert await clinic.poll() == []
        first, second, third = list(clinic.held("appointments"))[:3]
        await clinic.simulator.cancel(first, "Sick")
        clinic.simulator.touch("appointments", second, state="booked", checked_in_at="2026-06-01T12:00:00Z")
        clinic.simulator.touch("appointments", third, state="archived")
        made = {one.native_id: one for item in await clinic.poll() for one in WITH(item.body, item.context).patches}
        assert (made[first].fields["status"], made[first].fields["cancel_reason"]) == ("cancelled", "illness")
        assert made[second].fields["status"] == "arrived"
        assert made[third].operation == "remove"
        assert made[first].fields["zone"] == "America/Chicago"
        assert made[first].fields["type"] in {"Initial evaluation", "Follow-up treatment", "Re-evaluation"}

    with_clinic(tmp_path, body)


def test_an_appointment_that_returns_to_its_earlier_state_is_news(tmp_path) -> None:
    """Booked, cancelled and booked again with the same bytes as at first is three messages, and a second look none."""

    async def body(clinic: Clinic) -> None:
        await clinic.poll()
        first = next(one for one, row in clinic.held("appointments").items() if row["state"] == "booked")
        before = {name: value for name, value in clinic.held("appointments")[first].items() if name != "id"}
        states = []
        for fields in ({"state": "cancelled", "cancelled_reason": "Sick"}, before):
            clinic.tick()
            clinic.simulator.touch("appointments", first, **fields)
            (item,) = await clinic.poll("appointments")
            states += [one.fields["status"] for one in WITH(item.body, item.context).patches]
            clinic.tick()
            assert await clinic.poll("appointments") == []
        assert states == ["cancelled", "booked"]

    with_clinic(tmp_path, body)


ERRORS = [
    (400, {"errors": [{"path": "start_at", "message": "Jane Roe"}]}),
    (400, {"error": "Jane Roe", "messages": ["Jane Roe"]}),
    (401, {"error": "Jane Roe"}),
    (403, {"error": "Jane Roe"}),
    (404, {"error": "Jane Roe"}),
    (409, {"errors": [{"id": "DUPLICATE_RECORD", "message": "Jane Roe", "details": {}}]}),
    (422, {"errors": [{"message": "Jane Roe"}]}),
    (429, {"object": "error", "code": "too_many", "message": "Jane Roe"}),
    (500, {}),
    (503, {}),
]
"""Each status of the vendor's table with the body that the vendor gives it."""


class Refusing(JaneSimulator):
    """Answers every call of the API alike."""

    answer: tuple[int, dict] = (400, {})

    def refusal(self, request: web.Request) -> web.Response | None:
        status, body = self.answer
        headers = {"Retry-After": "60"} if status == 429 else {}
        return web.json_response(body, status=status, headers=headers) if "/api/" in request.path else None


@pytest.mark.parametrize(("status", "answer"), ERRORS)
def test_each_error_of_the_vendor_is_told_without_its_words(tmp_path, status: int, answer: dict) -> None:
    """Status and place are named; what the vendor writes may hold a name and is not. 429 says when to come back."""
    simulator = Refusing(CLINIC, clock=START.timestamp)
    simulator.answer = status, answer

    async def body(clinic: Clinic) -> None:
        with pytest.raises(SourceUnavailable) as told:
            await clinic.poll("patients")
        assert "Roe" not in str(told.value)
        assert str(status) in str(told.value) or isinstance(told.value, RateLimited)
        assert (told.value.after == 61.0) == (status == 429)
        assert (clinic.intake.items, clinic.intake.cursors) == ([], {})

    with_clinic(tmp_path, body, simulator=simulator, retries=0)


def test_a_reading_that_was_broken_off_goes_on_at_its_page(tmp_path) -> None:
    """After a failed commit the next look begins with the page that was not stored."""

    async def body(clinic: Clinic) -> None:
        await clinic.streams["patients"].poll(clinic.intake)
        clinic.intake.cursors.clear()
        clinic.intake.items.clear()
        accept, pages = clinic.intake.accept, 0

        async def failing(*args, **named):
            nonlocal pages
            pages += 1
            clinic.intake.fail_next = int(pages == 3)
            return await accept(*args, **named)

        clinic.intake.accept = failing
        with pytest.raises(StoreUnavailable):
            await clinic.poll("patients")
        assert len(clinic.intake.items) == 20
        before = clinic.simulator.answered[200]
        assert len(await clinic.poll("patients")) == 40
        assert clinic.simulator.answered[200] - before == 4

    with_clinic(tmp_path, body, per_page=10)


def test_tokens_are_refreshed_once_and_kept_for_their_owner_alone(tmp_path) -> None:
    """Many requests at once use one refresh; the rotated token is in the file, mode 0600, and works after a restart."""

    async def body(clinic: Clinic) -> None:
        first = clinic.file.read().refresh_token
        await clinic.poll()
        kept = clinic.file.read()
        assert clinic.simulator.identity.rotations == 1
        assert kept.refresh_token != first
        assert audience(kept.access_token) == (clinic.config.clinic,)
        assert stat.S_IMODE(clinic.config.token_file.stat().st_mode) == 0o600
        clinic.file.write(msgspec.structs.replace(kept, expires_at=0.0))
        await clinic.poll("locations")
        assert clinic.simulator.identity.rotations == 2

    with_clinic(tmp_path, body)


def test_a_refused_token_is_replaced_within_the_request(tmp_path) -> None:
    """401 for an access token that should still be good costs one refresh and no failed look."""

    async def body(clinic: Clinic) -> None:
        kept = clinic.file.read()
        clinic.file.write(msgspec.structs.replace(kept, access_token="e30.eyJhdWQiOiJ4In0.x", expires_at=9e9))
        assert len(await clinic.poll("locations")) == 2
        assert clinic.simulator.identity.rotations == 1

    with_clinic(tmp_path, body)


def test_an_ended_consent_says_what_to_do(tmp_path, monkeypatch) -> None:
    """A worthless refresh token, a missing file and one of others are told apart, and none of them ends the gateway."""

    async def body(clinic: Clinic) -> None:
        kept = clinic.file.read()
        clinic.file.write(msgspec.structs.replace(kept, refresh_token="worthless"))
        with pytest.raises(SourceUnavailable, match=r"consent has ended.*gateway jane connect"):
            await clinic.poll("locations")
        clinic.config.token_file.chmod(0o644)
        with pytest.raises(SourceUnavailable, match="read by others"):
            await clinic.poll("locations")
        clinic.config.token_file.chmod(0o600)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_bytes", Mock(side_effect=PermissionError))
            with pytest.raises(SourceUnavailable, match="belongs to another account"):
                await clinic.poll("locations")
        clinic.config.token_file.unlink()
        with pytest.raises(SourceUnavailable, match="not connected"):
            await clinic.poll("locations")

    with_clinic(tmp_path, body)


def test_a_token_for_another_clinic_is_not_used(tmp_path) -> None:
    """The audience must be the configured clinic; the API itself refuses others with 401."""

    async def body(clinic: Clinic) -> None:
        identity = clinic.simulator.identity
        other = identity.grant("locations:read", "https://other.janeapp.com")
        headers = {"Authorization": f"Bearer {other['access_token']}"}
        url = f"{clinic.config.clinic}/api/2026-01-01/locations"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
            assert (response.status, await response.json()) == (401, {"error": "Unauthorized"})
        identity.base = "https://other.janeapp.com"
        with pytest.raises(SourceUnavailable, match="another clinic"):
            await clinic.poll("locations")

    with_clinic(tmp_path, body)


def test_the_error_of_a_missing_scope_is_told(tmp_path) -> None:
    """403 is not repeated and names the place without an id."""

    async def body(clinic: Clinic) -> None:
        clinic.agree("locations:read companies:read treatments:read")
        assert len(await clinic.poll("locations")) == 2
        with pytest.raises(SourceUnavailable, match="403"):
            await clinic.poll("patients")
        assert clinic.simulator.answered[403] == 1

    with_clinic(tmp_path, body)


@pytest.mark.parametrize("fault", ["429", "500", "html", "half-body"])
def test_a_passing_fault_costs_nothing_but_time(tmp_path, fault: str) -> None:
    """One bad answer is tried again within the look."""

    async def body(clinic: Clinic) -> None:
        await clinic.poll("locations")
        clinic.simulator.fail(fault)
        assert len(await clinic.poll("staff_members")) == len(clinic.held("staff_members"))

    with_clinic(tmp_path, body)


def test_a_page_that_the_vendor_has_forgotten_is_not_asked_for_again_and_again(tmp_path) -> None:
    """A reading broken off for a day goes on at a link that is refused: it begins anew at the next look."""

    async def body(clinic: Clinic) -> None:
        whole, asked = clinic.api.page, 0

        async def first_only(url):
            nonlocal asked
            asked += 1
            if asked > 1:
                raise SourceUnavailable("The line is cut")
            return await whole(url)

        clinic.api.page = first_only
        with pytest.raises(SourceUnavailable):
            await clinic.poll("patients")
        clinic.api.page = whole
        kept = msgspec.json.decode(clinic.intake.cursors["patients"])
        clinic.intake.cursors["patients"] = msgspec.json.encode(kept | {"after": kept["after"] + "&gone=1"}).decode()
        with pytest.raises(SourceUnavailable, match="status 400"):
            await clinic.poll("patients")
        await clinic.poll("patients")
        assert {item.order_key for item in clinic.intake.items} == set(clinic.held("patients"))

    with_clinic(tmp_path, body, per_page=20)


@pytest.mark.parametrize(
    "link",
    [
        "//clinic.example.org:8443{path}", "//user@clinic.example.org{path}", "//evil.example{path}", "/other", "x",
        "//[", "",
    ],
)  # fmt: skip
def test_a_next_link_of_another_place_is_an_error_that_passes(link: str) -> None:
    """Another port, a user, another host or list: the source waits for a better answer, and the gateway goes on."""
    api = Api(None, JaneConfig(clinic="https://clinic.example.org"), utc_now)  # type: ignore[arg-type]  # nothing is asked
    with pytest.raises(SourceUnavailable):
        api.following("patients", link.replace("{path}", f"{VERSION}/patients?page=2"))


def test_links_that_loop_end_the_look(tmp_path) -> None:
    """A page that names itself as the next is told, and the next look begins anew."""

    async def body(clinic: Clinic) -> None:
        await clinic.poll("locations")
        clinic.simulator.fail("looping-links", 50)
        with pytest.raises(SourceUnavailable, match="loop"):
            await clinic.poll("patients")
        clinic.simulator.heal()
        await clinic.poll("patients")
        assert ids(clinic.intake.items, "patients") == sorted(clinic.held("patients"))

    with_clinic(tmp_path, body)


def test_the_vendor_never_has_to_refuse(tmp_path) -> None:
    """Within both budgets no request is answered 429, however short the windows are."""

    async def body(clinic: Clinic) -> None:
        await clinic.poll()
        assert clinic.simulator.answered[429] == 0

    budget, endpoint = RateBudget(requests=600, seconds=300), RateBudget(requests=95, seconds=60)
    simulator = JaneSimulator(CLINIC, budget=budget, endpoint=endpoint, clock=START.timestamp)
    with_clinic(tmp_path, body, simulator=simulator, per_page=5)


def test_control_ids_name_no_patient(tmp_path) -> None:
    """The control id of a patient is a digest; its order key is the patient's own id."""

    async def body(clinic: Clinic) -> None:
        items = await clinic.poll("patients")
        shown = json.dumps([item.control_id for item in items])
        assert not any(id in shown for id in clinic.held("patients"))
        assert {item.order_key for item in items} == set(clinic.held("patients"))

    with_clinic(tmp_path, body)
