"""Rows that mean something together: attendees, classes, invoices and their parts, read as one message."""

from __future__ import annotations

from tests.unit.adapters.cliniko.account import APPOINTMENTS, Account, normalize, with_account

WITH = normalize()


def test_arrivals_and_no_shows_come_through_the_attendee() -> None:
    """A mark on the attendee brings the appointment as it is now, though the appointment's own time did not move."""

    async def body(account: Account) -> None:
        await account.poll()
        account.tick()
        booked = [id for id, row in account.held("attendees").items() if row["arrived"] is None][:2]
        account.simulator.arrive(booked[0], True)
        account.simulator.arrive(booked[1], False)
        assert await account.poll(APPOINTMENTS) == []
        items = await account.poll("attendees")
        meant = [WITH(item.body, item.context).patches[0].fields["status"] for item in items]
        assert sorted(meant) == ["arrived", "no-show"]
        assert {item.kind for item in items} == {APPOINTMENTS}

    with_account(body)


def test_attendees_of_unknown_bookings_bring_nothing() -> None:
    """A booking that is neither an appointment nor a class is passed over, and the cursor goes on."""

    async def body(account: Account) -> None:
        await account.poll()
        account.tick()
        id = next(iter(account.held("attendees")))
        group = {"links": {"self": "https://api.au2.cliniko.com/v1/bookings/1390726237999999999"}}
        account.simulator.touch("attendees", id, booking=group)
        before = account.intake.cursors["attendees"]
        assert await account.poll("attendees") == []
        assert account.intake.cursors["attendees"] > before

    with_account(body)


def meanings(items) -> list:
    """The patches of some items."""
    return [patch for item in items for patch in WITH(item.body, item.context).patches]


def test_each_patient_of_a_class_has_an_appointment() -> None:
    """A class brings one appointment for each attendee; moving the class or marking one of them brings it anew."""

    async def body(account: Account) -> None:
        made = meanings(await account.poll("group_appointments"))
        assert len(made) == 3 * len(account.held("group_appointments"))
        assert {one.fields["status"] for one in made} == {"booked", "cancelled"}
        assert {one.fields["type"] for one in made} == {"Back class"}
        account.tick()
        await account.poll("attendees")
        group = next(iter(account.held("group_appointments")))
        account.simulator.touch("group_appointments", group, starts_at="2026-07-01T14:00:00Z")
        moved = meanings(await account.poll("group_appointments"))
        assert {one.fields["start"].isoformat() for one in moved} == {"2026-07-01T09:00:00-05:00"}
        assert len({one.patient for one in moved}) == 3
        account.tick()
        attendee = next(id for id, row in account.held("attendees").items() if group in row["booking"]["links"]["self"])
        account.simulator.arrive(attendee, True)
        (came,) = meanings(await account.poll("attendees"))
        assert (came.native_id, came.fields["status"]) == (f"{attendee}#attendee", "arrived")
        account.tick()
        account.simulator.touch("group_appointments", group, archived_at="2026-06-02T00:00:00Z")
        assert {one.operation for one in meanings(await account.poll("group_appointments"))} == {"remove"}

    with_account(body)


def test_a_change_of_a_part_brings_the_whole() -> None:
    """A new item brings its invoice with all items, a new provider number its practitioner, active or not."""

    async def body(account: Account) -> None:
        account.simulator.touch("practitioners", next(iter(account.held("practitioners"))), active=False)
        await account.poll()
        account.tick()
        item = next(iter(account.held("invoice_items")))
        account.simulator.touch("invoice_items", item, total_including_tax=75.5)
        (invoice,) = meanings(await account.poll("invoice_items"))
        assert sorted(str(line["amount"]) for line in invoice.fields["lines"]) == ["30.00", "75.50"]
        number = next(iter(account.held("practitioner_reference_numbers")))
        account.simulator.touch("practitioner_reference_numbers", number, reference_number="9A")
        (practitioner,) = meanings(await account.poll("practitioner_reference_numbers"))
        assert practitioner.fields["identifiers"] == [{"value": "9A", "authority": "Provider number"}]
        assert practitioner.fields["active"] is False

    with_account(body)


def test_appointments_know_their_type_and_the_zone_of_their_business() -> None:
    """The name behind the type's id and the zone behind the business's id are looked up, and again when unknown."""

    async def body(account: Account) -> None:
        business = next(iter(account.held("businesses")))
        account.held("businesses")[business]["time_zone_identifier"] = "America/Denver"
        made = meanings(await account.poll(APPOINTMENTS))
        assert {one.fields["type"] for one in made} == {"Initial evaluation", "Follow-up treatment", "Re-evaluation"}
        zones = {one.fields["location"].native_id: one.fields["zone"] for one in made}
        assert zones[business] == "America/Denver"
        assert set(zones.values()) == {"America/Denver", "America/Chicago"}
        account.tick()
        asked = account.simulator.answered[200]
        account.simulator.cancel(next(iter(account.held(APPOINTMENTS))))
        await account.poll(APPOINTMENTS)
        assert account.simulator.answered[200] == asked + 1

    with_account(body)
