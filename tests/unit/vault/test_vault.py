"""The vault: values open only in their place and under a grant; ids and digests are keyed and stable."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import AccessRefused, IntegrityViolated
from gateway.vault import Grant, Place, Sealed, row_bytes
from gateway.vault import vault as vault_module
from tests.unit.vault.opened import Opened

PLACE = Place("t", "messages", "box", row_bytes(1))
reused = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None
)


@reused
@given(plaintext=st.binary(max_size=5000), row=st.integers(0, 2**62))
def test_what_is_sealed_opens_under_its_grant(opened: Opened, plaintext: bytes, row: int) -> None:
    """Any bytes come back unchanged, also after their key was wrapped under another key."""
    place = Place("t", "messages", "box", row_bytes(row))
    intake, patient = opened.vault.intake_key("t"), opened.keystore.key("t", "patient", b"p")
    sealed = opened.vault.seal(intake, place, plaintext)
    with opened.grant(place) as grant:
        assert opened.vault.open(grant, place, sealed) == plaintext
        key_id, wrapped = opened.vault.rewrap((sealed.key_id, sealed.wrapped), place, patient)
        assert key_id == patient
        assert opened.vault.open(grant, place, Sealed(key_id, wrapped, sealed.box)) == plaintext


def test_a_value_opens_in_no_other_place(opened: Opened) -> None:
    """Swaps between tenants, tables, columns and rows are refused, every one of them."""
    parts = (("t", "u"), ("messages", "changes"), ("box", "context"), (row_bytes(1), row_bytes(2)))
    places = [Place(*combination) for combination in itertools.product(*parts)]
    keys = {tenant: opened.vault.intake_key(tenant) for tenant in parts[0]}
    sealed = {place: opened.vault.seal(keys[place.tenant], place, b"value") for place in places}
    grants = {tenant: opened.grant(*(place for place in places if place.tenant == tenant)) for tenant in parts[0]}
    for made, asked in itertools.product(places, places):
        if made == asked:
            assert opened.vault.open(grants[asked.tenant], asked, sealed[made]) == b"value"
            continue
        with pytest.raises((IntegrityViolated, AccessRefused)):
            opened.vault.open(grants[asked.tenant], asked, sealed[made])


def test_parts_of_two_values_do_not_mix(opened: Opened) -> None:
    """A box with another value's key, a key named by another id, and a rewrap from the wrong place are refused."""
    key, other = opened.vault.intake_key("t"), opened.keystore.key("t", "patient", b"p")
    one, two = (opened.vault.seal(key, PLACE, text) for text in (b"one", b"two"))
    with opened.grant(PLACE) as grant:
        for mixed in (Sealed(key, one.wrapped, two.box), Sealed(other, one.wrapped, one.box)):
            with pytest.raises(IntegrityViolated):
                opened.vault.open(grant, PLACE, mixed)
    with pytest.raises(IntegrityViolated):
        opened.vault.rewrap((key, one.wrapped), Place("t", "messages", "box", row_bytes(2)), other)


def test_another_version_of_the_form_is_refused(opened: Opened) -> None:
    """A box that claims another format version or algorithm does not open."""
    sealed = opened.vault.seal(opened.vault.intake_key("t"), PLACE, b"value")
    with opened.grant(PLACE) as grant:
        for head in (b"\x02\x01", b"\x01\x02", b"\x00\x00"):
            with pytest.raises(IntegrityViolated):
                opened.vault.open(grant, PLACE, Sealed(sealed.key_id, sealed.wrapped, head + sealed.box[2:]))


def test_nothing_opens_without_a_committed_grant(opened: Opened) -> None:
    """A grant made by hand, one that is over, and one for other rows or another tenant open nothing."""
    sealed = opened.vault.seal(opened.vault.intake_key("t"), PLACE, b"value")
    rows = frozenset({("messages", row_bytes(1))})
    with pytest.raises(AccessRefused, match="committed"):
        opened.vault.open(Grant("t", rows, lambda grant: None), PLACE, sealed)
    with opened.grant(PLACE) as over:
        assert opened.vault.open(over, PLACE, sealed) == b"value"
    with pytest.raises(AccessRefused, match="committed"):
        opened.vault.open(over, PLACE, sealed)
    for place in (
        Place("t", "messages", "box", row_bytes(2)), Place("t", "changes", "box", row_bytes(1)),
        Place("u", "messages", "box", row_bytes(1)),
    ):  # fmt: skip
        with opened.grant(place) as grant, pytest.raises(AccessRefused, match="name this row"):
            opened.vault.open(grant, PLACE, sealed)


def test_a_key_of_another_tenant_seals_and_opens_nothing(opened: Opened) -> None:
    """Whoever mixes up tenants is stopped on both sides."""
    sealed = opened.vault.seal(opened.vault.intake_key("t"), PLACE, b"value")
    with pytest.raises(AccessRefused):
        opened.vault.seal(opened.vault.intake_key("u"), PLACE, b"value")
    with pytest.raises(AccessRefused):
        opened.vault.rewrap((sealed.key_id, sealed.wrapped), PLACE, opened.vault.intake_key("u"))


def test_a_shredded_patient_stays_unreadable(opened: Opened) -> None:
    """What was sealed or rewrapped under a destroyed key does not open, in this process or the next."""
    patient = opened.keystore.key("t", "patient", b"p")
    sealed = opened.vault.seal(patient, PLACE, b"value")
    opened.keystore.destroy(patient)
    for _ in range(2):
        with opened.grant(PLACE) as grant, pytest.raises(AccessRefused):
            opened.vault.open(grant, PLACE, sealed)
        with pytest.raises(AccessRefused):
            opened.vault.seal(patient, PLACE, b"value")
        opened.reopen()


def test_intake_keys_change_at_midnight_utc(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """One intake key a day, the same all day and after a restart."""
    now = 1_790_000_000.0 // 86_400 * 86_400
    clock = iter([now, now + 86_399, now + 86_400, now])
    ours = SimpleNamespace(time=lambda: next(clock), gmtime=time.gmtime, strftime=time.strftime)
    monkeypatch.setattr(vault_module, "time", ours)  # the vault's alone: servers of other tests look at the clock too
    first, evening, tomorrow = (opened.vault.intake_key("t") for _ in range(3))
    opened.reopen()
    assert first == evening == opened.vault.intake_key("t") != tomorrow


def test_a_record_id_is_a_stable_uuid(opened: Opened) -> None:
    """The id is a UUID of version 8, survives a restart, and differs by tenant, source, type and native id."""
    named = list(itertools.product(("t", "u"), ("north", "south"), ("Patient", "Appointment"), ("1", "2", "")))
    made = {names: opened.vault.record_id(*names) for names in named}
    for text in made.values():
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 8, uuid.RFC_4122)
    assert len(set(made.values())) == len(named)
    opened.reopen()
    assert {names: opened.vault.record_id(*names) for names in named} == made


@reused
@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_record_ids_never_run_together(opened: Opened, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """However source, type and native id are cut, different ones have different ids."""
    assert (opened.vault.record_id("t", *one) == opened.vault.record_id("t", *other)) == (one == other)


def test_a_record_id_tells_no_chart_number(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same chart number has unrelated ids in two installations."""
    other = Opened(tmp_path_factory.mktemp("other"))
    assert other.vault.record_id("t", "s", "Patient", "1") != opened.vault.record_id("t", "s", "Patient", "1")
    other.keystore.close()


def test_digests_and_blind_indexes_are_keyed_apart(opened: Opened) -> None:
    """Equal data is equal within one tenant and column, and unrelated across tenants, columns and uses."""
    vault = opened.vault
    assert vault.digest("t", b"x") == vault.digest("t", b"x")
    assert len({vault.digest("t", b"x"), vault.digest("u", b"x"), vault.digest("t", b"y")}) == 3
    assert vault.blind("t", "mrn", "1") == vault.blind("t", "mrn", "1")
    assert len({vault.blind("t", "mrn", "1"), vault.blind("u", "mrn", "1"), vault.blind("t", "ssn", "1")}) == 3
    assert len(vault.digest("t", b"x")) == 32


def test_sealing_and_opening_from_many_threads(opened: Opened) -> None:
    """Eight threads that seal, rewrap and open at once get their own values back."""
    patients = opened.keystore.ensure_patients("t", [bytes([i]) for i in range(20)])

    def work(worker: int) -> bool:
        good = True
        for i, patient in enumerate(patients.values()):
            place = Place("t", "messages", "box", row_bytes(worker * 1000 + i))
            value = os.urandom(200)
            sealed = opened.vault.seal(opened.vault.intake_key("t"), place, value)
            key_id, wrapped = opened.vault.rewrap((sealed.key_id, sealed.wrapped), place, patient)
            with opened.grant(place) as grant:
                good &= opened.vault.open(grant, place, Sealed(key_id, wrapped, sealed.box)) == value
        return good

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_errors_tell_no_value(opened: Opened) -> None:
    """What the vault refuses to open is in no error text."""
    sealed = opened.vault.seal(opened.vault.intake_key("t"), PLACE, b"CANARY-VALUE")
    grant = opened.grant(PLACE)
    broken = Sealed(sealed.key_id, sealed.wrapped, sealed.box[:-1] + b"\x00")
    for grant_, sealed_ in ((Grant("t", frozenset(), lambda _: None), sealed), (grant, broken)):
        with pytest.raises((AccessRefused, IntegrityViolated)) as caught:
            opened.vault.open(grant_, PLACE, sealed_)
        assert "CANARY" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
