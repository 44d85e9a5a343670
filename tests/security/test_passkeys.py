"""Passkeys: making one, signing in with it, and what an attacker can try with a stolen page, row, answer or session."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from gateway.access import passkeys
from gateway.flow.accounts import MOST_FAILURES
from gateway.flow.listing import listed_people
from gateway.store.schema_people import passkeys as rows
from tests.integration.parts import TENANT
from tests.security.authenticator import PRESENT, Authenticator
from tests.security.conftest import Account, Admin

pytest.importorskip("webauthn", reason="the extra people is not installed")


def origin(admin: Admin) -> str:
    """The page that people see."""
    return f"http://localhost:{admin.url.rpartition(':')[2]}"


def made(admin: Admin, account: Account, name: str = "blue key") -> Authenticator:
    """An authenticator with a passkey of somebody's."""
    session = admin.session(account)
    ask = {"method": "POST", "headers": session}
    asked = admin.ask("/session/passkeys/question", given={"password": account.password}, **ask)
    assert asked.status == 200, asked.body
    key = Authenticator(origin(admin))
    answer = {"name": name, "credential": key.make(asked.json)}
    added = admin.ask("/session/passkeys", given=answer, **ask)
    assert added.status == 200, added.body
    return key


def question(admin: Admin) -> dict[str, Any]:
    """What the page asks of any authenticator."""
    asked = admin.ask("/session/passkey/question", method="POST")
    assert asked.status == 200
    return dict(asked.json)


def sign_in(admin: Admin, credential: dict[str, Any]) -> Any:
    """Try to sign in with an answer."""
    return admin.ask("/session/passkey", method="POST", given={"credential": credential})


def test_a_passkey_signs_in_alone(admin: Admin) -> None:
    """Without name, password or code, to a session like any other; both logs and lists tell of it."""
    account = admin.somebody("operator")
    key = made(admin, account)
    for _ in range(2):
        answer = sign_in(admin, key.answer(question(admin)))
        assert answer.status == 200, answer.body
        session = {"Cookie": answer.headers["set-cookie"].partition(";")[0], "X-Gateway-Csrf": answer.json["csrf"]}
        assert admin.ask("/session", headers=session).json["name"] == account.name
    assert admin.ask("/messages", headers=session).status == 200
    (own,) = admin.ask("/session/passkeys", headers=session).json
    assert own["name"] == "blue key"
    assert own["used_at"]
    listed = listed_people(admin.served.parts.store, frozenset({TENANT}))
    assert {one["name"]: one["passkeys"] for one in listed}[account.name] == 1


def test_the_question_names_nobody(admin: Admin) -> None:
    """It is the same with and without passkeys but for its challenge, and asks that the person be checked."""
    before = question(admin)
    made(admin, admin.somebody("operator"))
    after = question(admin)
    assert before.pop("challenge") != after.pop("challenge")
    assert before == after
    assert before["userVerification"] == "required"
    assert before["allowCredentials"] == []
    assert before["rpId"] == "localhost"


def test_an_answer_from_elsewhere_lets_nobody_in(admin: Admin) -> None:
    """A page or site of another name, no person checked, a copied key whose count went back, another's key or id."""
    key = made(admin, admin.somebody("operator"))
    key.uses = 5
    assert sign_in(admin, key.answer(question(admin))).status == 200
    refused = admin.ask("/session", method="POST", given={"name": "x", "password": "y", "code": "1"})
    strangers = (
        replace(key, origin="https://localhost.evil.example"),
        replace(key, site="evil.example"),
        replace(key, flags=PRESENT),
        replace(key, flags=0),
        replace(key, uses=-1),
        replace(key, uses=5),
        replace(key, credential=bytes(32)),
        replace(key, handle=b"somebody else"),
        replace(key, handle=b""),
        replace(key, key=Authenticator("").key),
    )
    for stranger in strangers:
        wrong = sign_in(admin, stranger.answer(question(admin)))
        assert (wrong.status, wrong.body) == (401, refused.body)
    assert sign_in(admin, key.answer(question(admin))).status == 200


def test_an_answer_is_good_once(admin: Admin) -> None:
    """An answer that was used, one to an older question, and one to a question of somebody's own make no session."""
    key = made(admin, admin.somebody("operator"))
    older, newer = question(admin), question(admin)
    answer = key.answer(newer)
    assert sign_in(admin, answer).status == 200
    assert sign_in(admin, answer).status == 401
    assert sign_in(admin, key.answer(older)).status == 401
    assert sign_in(admin, key.answer(newer)).status == 401
    assert sign_in(admin, key.answer(newer | {"challenge": "A" * len(newer["challenge"])})).status == 401


def test_a_question_is_good_for_minutes(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that took too long is refused."""
    key = made(admin, admin.somebody("operator"))
    asked = question(admin)
    with monkeypatch.context() as patch:
        patch.setattr(passkeys, "SECONDS", 0)
        assert sign_in(admin, key.answer(asked)).status == 401
    assert sign_in(admin, key.answer(asked)).status == 200


def test_a_session_alone_makes_no_passkey(admin: Admin) -> None:
    """Whoever finds an open session needs the password; a question to one person is not answered by another."""
    account, other = admin.somebody("operator"), admin.somebody("operator")
    session, theirs = admin.session(account), admin.session(other)
    ask = {"method": "POST", "headers": session}
    assert admin.ask("/session/passkeys/question", given={"password": "wrong"}, **ask).status == 400
    options = admin.ask("/session/passkeys/question", given={"password": account.password}, **ask).json
    key = Authenticator(origin(admin))
    given = {"name": "theirs", "credential": key.make(options)}
    assert admin.ask("/session/passkeys", method="POST", given=given, headers=theirs).status == 400
    strange = Authenticator("https://evil.example")
    assert admin.ask("/session/passkeys", given=given | {"credential": strange.make(options)}, **ask).status == 400
    signing = question(admin)
    swapped = given | {"credential": key.make(options | {"challenge": signing["challenge"]})}
    assert admin.ask("/session/passkeys", given=swapped, **ask).status == 400
    assert admin.ask("/session/passkeys", headers=session).json == []


def test_a_row_written_behind_our_back_is_no_way_in(admin: Admin) -> None:
    """Who can write to the database can put no key of their own on somebody's account, nor move one to another's."""
    account, other = admin.somebody("operator"), admin.somebody("operator")
    key, theirs = made(admin, account), made(admin, other)
    store = admin.served.parts.store
    mine = rows.c.credential == key.credential

    def columns(connection: Any) -> Any:
        return connection.execute(rows.select().where(rows.c.credential == theirs.credential)).one()

    found = store.read_sync(columns)
    for planted in ({"public_key": bytes(found.public_key)}, {"person": other.name, "name": "moved"}):
        kept = store.read_sync(lambda c: dict(c.execute(rows.select().where(mine)).one()._mapping))
        store.write_sync(lambda c, planted=planted: c.execute(update(rows).where(mine).values(planted)))
        for attempt in (replace(key, key=theirs.key), replace(key, handle=theirs.handle), key):
            assert sign_in(admin, attempt.answer(question(admin))).status == 401
        store.write_sync(lambda c, kept=kept: c.execute(update(rows).where(mine).values(kept)))
    assert sign_in(admin, replace(key, uses=9).answer(question(admin))).status == 200


def test_who_is_locked_out_stays_out(admin: Admin) -> None:
    """A locked account, and one that was reset, are not opened by a passkey of before; guesses of a password do not
    keep its holder out.
    """
    account = admin.somebody("operator")
    key = made(admin, account)
    for _ in range(MOST_FAILURES):
        admin.sign_in(account, password="wrong")
    assert sign_in(admin, key.answer(question(admin))).status == 200
    admin.accounts.lock(account.name, "cli:test")
    assert sign_in(admin, key.answer(question(admin))).status == 401
    admin.accounts.reset(account.name, "cli:test")
    assert sign_in(admin, key.answer(question(admin))).status == 401
    admin.change(account.name, temporary=False)
    assert sign_in(admin, key.answer(question(admin))).status == 401


def test_a_passkey_that_is_removed_ends_its_sessions(admin: Admin) -> None:
    """What was begun with a lost key is over, and the key opens nothing; a name is somebody's once."""
    account = admin.somebody("operator")
    key = made(admin, account)
    session = admin.session(account)
    ask = {"method": "POST", "headers": session}
    options = admin.ask("/session/passkeys/question", given={"password": account.password}, **ask).json
    assert options["excludeCredentials"][0]["id"] == key.answer(question(admin))["id"]
    again = {"name": "blue key", "credential": Authenticator(origin(admin)).make(options)}
    assert admin.ask("/session/passkeys", given=again, **ask).status == 400
    assert admin.ask("/session/passkeys/remove", given={"name": "green key"}, **ask).status == 400
    assert admin.ask("/session/passkeys/remove", given={"name": "blue key"}, **ask).status == 200
    assert admin.ask("/session", headers=session).status == 401
    assert sign_in(admin, key.answer(question(admin))).status == 401


def test_what_is_no_answer_is_refused(admin: Admin) -> None:
    """Whatever stands in the place of a field, the answer is a refusal and no failure of ours."""
    account = admin.somebody("operator")
    session = admin.session(account)
    ask = {"method": "POST", "headers": session}
    options = admin.ask("/session/passkeys/question", given={"password": account.password}, **ask).json
    key = Authenticator(origin(admin))
    for path, credential in (
        ("/session/passkeys", key.make(options)),
        ("/session/passkey", key.answer(question(admin))),
    ):
        for place in credential["response"]:
            for text in ("", "!", "AAAA", "e30", "o2M" * 20, "\u0000", "\u00e9", "A" * 7000, "A" * 90_000):
                spoiled = credential | {"response": credential["response"] | {place: text}}
                given = {"credential": spoiled} | ({"name": "x"} if path.endswith("s") else {})
                answer = admin.ask(path, given=given, **ask)
                assert answer.status in {400, 401, 422}, (place, text[:20], answer.body)
                assert json.loads(answer.body)["error"]
