"""Signing in, staying in, being thrown out: what an attacker at the door can try, and what answers."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from gateway.access import one_time, passwords
from gateway.audit import Search, Wanted
from gateway.flow import accounts
from gateway.flow.accounts import MOST_FAILURES, session_hash
from gateway.flow.clock import micros
from gateway.store import people
from gateway.store.schema_people import sessions
from tests.integration.parts import TENANT
from tests.security.conftest import Admin

TURNS = 40
APART = 0.005
"""Seconds of a processor."""


def test_a_session_is_a_cookie_that_only_this_host_gets_back(admin: Admin) -> None:
    """The cookie is bound to the host, to TLS, to the site and hidden from scripts; nothing of it is stored."""
    account = admin.somebody("operator")
    answer = admin.sign_in(account)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-gateway=")
    for flag in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert flag in cookie
    assert "Domain" not in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    mine = sessions.select().where(sessions.c.person == account.name)
    kept = admin.served.parts.store.read_sync(lambda c: [bytes(row.session) for row in c.execute(mine)])
    assert kept == [session_hash(token)]
    row = admin.served.parts.store.read_sync(lambda c: people.one(c, account.name))
    assert row.password.startswith("$argon2id$")
    assert account.secret not in str(tuple(row))


@pytest.mark.parametrize(
    "changed", [{"password": "wrong"}, {"code": "000000"}, {"name": "maria.lopes"}, {"code": ""}, {"name": ""}]
)
def test_what_is_wrong_is_not_told(admin: Admin, changed: dict[str, str]) -> None:
    """Wrong name, password and code give the same bytes."""
    account = admin.somebody("operator")
    wrong = admin.sign_in(account, **changed)
    assert wrong.status == 401
    assert wrong.body == admin.ask("/session", method="POST", given={"name": "x", "password": "y", "code": "1"}).body
    assert "set-cookie" not in wrong.headers


def test_a_locked_account_answers_as_a_wrong_password_does(admin: Admin) -> None:
    """After ten failures even the right password is refused, with the same words, and so is a locked account."""
    account = admin.somebody("operator")
    bodies = {admin.sign_in(account, password="wrong").body for _ in range(MOST_FAILURES)}
    throttled = admin.sign_in(account)
    assert throttled.status == 401
    assert bodies == {throttled.body}
    admin.accounts.reset(account.name, "cli:test")
    other = admin.somebody("operator")
    assert admin.sign_in(other).status == 200
    admin.accounts.lock(other.name, "cli:test")
    assert admin.sign_in(other).body == throttled.body


def test_failures_are_forgotten_after_their_window(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The throttle ends by itself: nobody can keep a person out for good."""
    account = admin.somebody("operator")
    for _ in range(MOST_FAILURES):
        admin.sign_in(account, password="wrong")
    monkeypatch.setattr(accounts, "WINDOW", 0)
    assert admin.sign_in(account).status == 200


def test_behind_a_proxy_each_address_has_its_own_throttle(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures count against who asked the proxy, whatever they write before it, and the log holds that address."""
    monkeypatch.setattr(accounts, "MOST_FROM_ADDRESS", 3)
    account = admin.somebody("operator")
    for number in range(3):
        admin.sign_in(account, password="wrong", through=f"198.51.100.{number}, 2001:db8::66")
    assert admin.sign_in(account, through="2001:db8::66").status == 401
    assert admin.sign_in(account, through="203.0.113.7").status == 200
    assert admin.sign_in(account).status == 200
    asked = Wanted(action="sign-in", actor=f"person:{account.name}")
    admin.served.parts.sequence()
    found = admin.served.parts.store.read_sync(lambda connection: list(Search(connection, TENANT, asked).found()))
    told = {(entry.outcome, *entry.rows["addresses"]) for entry in found}
    assert told == {
        ("refused", "2001:0db8:0000:0000:0000:0000:0000:0066"),
        ("signed-in", "203.0.113.7"),
        ("signed-in", "127.0.0.1"),
    }


def test_an_unknown_name_costs_as_much_as_a_known_one(admin: Admin) -> None:
    """The processor time of a refusal does not tell whether there is such an account: at most 5 ms apart."""
    account = admin.somebody("operator")
    spent: dict[str, list[float]] = {account.name: [], "nobody.here": []}
    for turn in range(TURNS):  # a neighbour on the machine can make a turn dearer, never cheaper: the least counts
        for name, times in spent.items():
            begun = time.thread_time()
            assert admin.accounts.sign_in(name, "wrong", "000000", "127.0.0.1") is None
            times.append(time.thread_time() - begun)
        known, unknown = map(min, spent.values())
        if turn and abs(known - unknown) < APART:
            break
    assert abs(known - unknown) < APART, spent
    assert unknown > APART  # the slow hash was made for nobody, too


def test_a_code_is_good_once(admin: Admin) -> None:
    """A one-time code that was used, or an older one, opens no second session."""
    account = admin.somebody("operator")
    code = account.code()
    assert admin.sign_in(account, code=code).status == 200
    assert admin.sign_in(account, code=code).status == 401


def test_a_code_is_of_now(admin: Admin) -> None:
    """Only the present step and its neighbours are taken, and a full-width or spaced digit is no way round."""
    secret = bytes(range(20))
    now = 1_800_000_000
    app = pyotp.TOTP(base64.b32encode(secret).decode())
    assert one_time.step_of(secret, app.at(now), now) == now // 30
    assert one_time.step_of(secret, app.at(now - 60), now) is None
    assert one_time.step_of(secret, app.at(now + 60), now) is None
    assert one_time.step_of(secret, "１２３４５６", now) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Gateway-Csrf": ""}, 403),
        ({"X-Gateway-Csrf": "0" * 64}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": ""}, 421),
    ],
)
def test_another_site_cannot_act_for_somebody(admin: Admin, headers: dict[str, str], status: int) -> None:
    """A forged origin, a missing token and a name that was made to lead here are refused; the session lives on."""
    session = admin.session(admin.somebody("operator"))
    assert admin.ask("/session", method="DELETE", headers=session | headers).status == status
    assert admin.ask("/session", headers=session).status == 200


def test_a_session_ends_by_idleness_by_age_and_at_once(admin: Admin) -> None:
    """15 idle minutes, 12 hours in any case, a lock, a new role: the next request is refused."""
    store = admin.served.parts.store

    def age(idle: float, old: float) -> None:
        now = micros()
        values = {"seen_at": now - int(idle * 60e6), "created_at": now - int(old * 3600e6)}
        store.write_sync(lambda connection: connection.execute(mine.values(values)))

    account = admin.somebody("operator")
    mine = sessions.update().where(sessions.c.person == account.name)
    session = admin.session(account)
    age(14, 11.9)
    assert admin.ask("/session", headers=session).status == 200  # and it is in use again
    age(15.1, 1)
    assert admin.ask("/session", headers=session).status == 401
    age(0, 12.1)
    assert admin.ask("/session", headers=session).status == 401
    age(0, 0)
    assert admin.ask("/session", headers=session).status == 200
    admin.accounts.set_role(account.name, "read-only", "cli:test")
    assert admin.ask("/session", headers=session).status == 401
    session = admin.session(account)
    assert admin.ask("/session", headers=session).json["role"] == "read-only"
    admin.accounts.lock(account.name, "cli:test")
    assert admin.ask("/session", headers=session).status == 401
    admin.accounts.reset(account.name, "cli:test")
    assert admin.ask("/session", headers=session).status == 401


def test_a_password_that_was_made_must_be_changed(admin: Admin) -> None:
    """Who keeps the accounts knows the first password, so nothing is done with it but choosing one's own."""
    account = admin.somebody("operator")
    admin.change(account.name, temporary=True)
    session = admin.session(account)
    assert admin.ask("/messages", headers=session).status == 403
    for new in ("short", f"{account.name}-2026", "aaaaaaaaaaaaaaaa", account.password):
        given = {"old": account.password, "new": new}
        assert admin.ask("/session/password", method="POST", given=given, headers=session).status == 400
    given = {"old": account.password, "new": "nine otters eat 7 pears"}
    assert admin.ask("/session/password", method="POST", given=given, headers=session).status == 200
    assert admin.ask("/session", headers=session).status == 401  # whoever had the old one is out
    changed = replace(account, password=given["new"])
    assert admin.ask("/messages", headers=admin.session(changed)).status == 200


def test_a_reset_while_a_password_is_checked_is_not_outrun(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who began to sign in, or to choose a password, before the account was reset does neither after it."""
    account = admin.somebody("operator")
    session, matches, resets = admin.session(account), passwords.matches, []

    def meanwhile(text: str, kept: str | None) -> bool:
        right = matches(text, kept)
        resets.append(admin.accounts.reset(account.name, "cli:test"))
        return right

    monkeypatch.setattr(passwords, "matches", meanwhile)
    given = {"old": account.password, "new": "nine otters eat 7 pears"}
    assert admin.ask("/session/password", method="POST", given=given, headers=session).status == 400
    row = admin.served.parts.store.read_sync(lambda connection: people.one(connection, account.name))
    assert (row.temporary, matches(resets[-1].password, row.password)) == (True, True)
    secret = parse_qs(urlsplit(resets[-1].uri).query)["secret"][0]
    renewed = replace(account, password=resets[-1].password, secret=secret)
    assert admin.sign_in(renewed).status == 401
    assert len(resets) == 2


def test_an_open_session_is_no_place_to_guess_a_password(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong old passwords count as failed sign-ins and are logged: after ten even the right one changes nothing."""
    account = admin.somebody("operator")
    session = admin.session(account)

    def choose(old: str) -> int:
        given = {"old": old, "new": "nine otters eat 7 pears"}
        return admin.ask("/session/password", method="POST", given=given, headers=session).status

    assert [choose("wrong") for _ in range(MOST_FAILURES)] == [400] * MOST_FAILURES
    assert choose(account.password) == 400
    admin.served.parts.sequence()
    asked = Wanted(actor=f"person:{account.name}", action="sign-in")
    found = admin.served.parts.store.read_sync(lambda connection: list(Search(connection, TENANT, asked).found()))
    assert [one.outcome for one in found].count("refused") == MOST_FAILURES + 1
    monkeypatch.setattr(accounts, "WINDOW", 0)
    assert choose(account.password) == 200


def test_no_name_is_shared_or_used_again(admin: Admin) -> None:
    """An account is one person's: a second of the same name, and a name that is no person's, are refused."""
    taken = admin.somebody("operator").name
    for name in (taken, "Maria", "front desk", "root\nadmin", "a" * 39, ""):
        with pytest.raises(Exception, match=r"account|lower case"):
            admin.account(name, "operator")


def test_passwords_are_made_of_chance() -> None:
    """No two are alike, each has a hundred bits, and the hash is slow enough to be worth it."""
    assert len({passwords.made() for _ in range(100)}) == 100
    assert passwords.matches("x", passwords.hashed("x"))
    assert not passwords.matches("x", None)
    assert not passwords.matches("x", "not a hash")
    assert "$m=47104,t=2," in passwords.hashed("x")
