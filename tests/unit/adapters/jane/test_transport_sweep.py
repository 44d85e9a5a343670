"""The full lists of a simulated clinic: what they show, what a direct question answers, and what is not swept."""

from __future__ import annotations

import pytest

from gateway.errors import SourceUnavailable
from gateway_jane.config import FeedConfig, JaneConfig
from gateway_jane.transport_sweep import SWEPT, FullList, sweeps
from tests.unit.adapters.jane.clinic import START, Clinic, normalize, with_clinic

WITH = normalize()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANE_SECRET", "simulated-secret")


@pytest.mark.parametrize("kind", SWEPT)
def test_every_row_that_makes_a_record_is_on_a_page(tmp_path, kind: str) -> None:
    """Pages follow the vendor's links to the end; each row bears the message that polling would bring."""

    async def body(clinic: Clinic) -> None:
        hidden = next(iter(clinic.held(kind)))
        clinic.held(kind)[hidden]["state"] = "archived" if kind == "appointments" else "ON"
        full, cursor, seen = FullList(kind, clinic.api), None, []
        while True:
            page = await full.page(cursor)
            seen += page.seen
            if (cursor := page.cursor) is None:
                break
        wanted = set(clinic.held(kind)) - ({hidden} if kind == "appointments" else set())
        assert {one.native_id for one in seen} == wanted
        assert len(seen) == len(wanted)
        for one in seen:
            patches = WITH(one.item.body, one.item.context).patches
            assert (full.type, one.native_id) in {(patch.type, patch.native_id) for patch in patches}
            made = {(patch.type, patch.native_id) for patch in patches}
            assert made == {(full.type, one.native_id), *((type, one.native_id + ending) for type, ending in full.also)}

    with_clinic(tmp_path, body, per_page=20)


def test_a_direct_question_finds_archived_rows_and_not_those_that_are_gone(tmp_path) -> None:
    """Only the vendor's 404 says that a row is gone; an archived one says so itself."""

    async def body(clinic: Clinic) -> None:
        gone, archived, there = list(clinic.held("appointments"))[:3]
        clinic.simulator.forget("appointments", gone)
        clinic.held("appointments")[archived]["state"] = "archived"
        looked = await FullList("appointments", clinic.api).look([gone, archived, there])
        assert looked.found == {archived, there}
        [removed] = WITH(looked.items[0].body, looked.items[0].context).patches
        assert (removed.native_id, removed.operation) == (archived, "remove")

    with_clinic(tmp_path, body)


def test_an_answer_that_is_no_item_is_no_absence(tmp_path) -> None:
    """What cannot be read stops the sweep, for it tells nothing about whether the row exists."""

    async def body(clinic: Clinic) -> None:
        patient = next(iter(clinic.held("patients")))
        clinic.held("patients")[patient] = {"id": 7}
        with pytest.raises(SourceUnavailable, match="cannot be read"):
            await FullList("patients", clinic.api).look([patient])

    with_clinic(tmp_path, body)


def test_a_source_that_begins_at_a_date_is_not_swept() -> None:
    """A sweep brings no rows that the settings leave out, and asks for no staff that only a feed knows."""
    api = None  # type: ignore[assignment]  # nothing is asked

    def names(**settings: object) -> set[str]:
        return {one.name for one in sweeps(api, JaneConfig.model_validate(settings))}  # type: ignore[arg-type]  # as above

    assert names() == set(SWEPT)
    assert names(changed_since=START) == set()
    feed = FeedConfig.model_validate({"url": "env:FEED"})
    assert names(feeds={"ana": feed.model_dump()}, feed_zone="UTC") == set(SWEPT) - {"staff_members"}
