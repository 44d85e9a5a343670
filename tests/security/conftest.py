"""A gateway with people on its admin port: two clinic groups, two clinics, one account per role and group."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from gateway.access.roles import built_in_roles
from gateway.flow.accounts import Accounts
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.mapping import Mapping
from gateway.registry import Registry
from gateway.settings import People
from gateway.store import journal
from gateway.store import people as people_rows
from gateway.store.schema_people import failures, people
from gateway.testing.ports import free_port
from tests.integration.parts import TENANT, Parts, Place, message
from tests.integration.serving import Answer, Served, serving
from tests.integration.test_flow_explain import SOURCE, take

OTHER = "southside"
WHERE = ("north", "south")
_numbers = itertools.count(1)
ROLES = tuple(built_in_roles().named)


@dataclass(frozen=True)
class Account:
    """What somebody needs to sign in."""

    name: str
    password: str
    secret: str

    def code(self) -> str:
        """The code of now."""
        return pyotp.TOTP(self.secret).now()


@dataclass
class Admin:
    """The admin port under test."""

    served: Served
    accounts: Accounts
    url: str
    known: dict[str, Account] = field(default_factory=dict)

    def account(self, name: str, role: str, tenant: str = TENANT, **more: Any) -> Account:
        """A new account that has chosen its password already."""
        given = {"view": "", "locations": (), "subject": ""} | more
        made = self.accounts.add(name, role=role, tenants=[tenant], actor="cli:test", **given)
        assert made is not None
        secret = parse_qs(urlsplit(made.uri).query)["secret"][0]
        self.change(name, temporary=False)
        found = self.known[name] = Account(name, made.password, secret)
        return found

    def somebody(self, role: str, **more: Any) -> Account:
        """A new account of no particular name."""
        return self.account(f"somebody-{next(_numbers)}", role, **more)

    def change(self, name: str, **values: Any) -> None:
        """Change what is kept of an account, behind the gateway's back."""
        self.served.parts.store.write_sync(lambda connection: people_rows.change(connection, name, values))

    def sign_in(self, account: Account, *, through: str = "", **changed: str) -> Answer:
        """Try to sign in, with a code of now that counts as unused unless one is given, ``through`` a proxy or not."""
        store = self.served.parts.store
        if "code" not in changed:
            unused = people.update().where(people.c.person == account.name).values(step=0)
            store.write_sync(lambda connection: connection.execute(unused))
        given = {"name": account.name, "password": account.password, "code": account.code()} | changed
        headers = {"X-Forwarded-For": through} if through else {}
        return self.ask("/session", method="POST", given=given, headers=headers)

    def session(self, account: Account) -> dict[str, str]:
        """Headers of somebody who is signed in."""
        answer = self.sign_in(account)
        assert answer.status == 200, answer.body
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0], "X-Gateway-Csrf": answer.json["csrf"]}

    def ask(
        self, path: str, *, method: str = "GET", given: Any = None, headers: Table[str, str] | None = None
    ) -> Answer:
        """One request to the admin port."""
        body = None if given is None else json.dumps(given).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        return self.served.ask(self.url + path, method=method, body=body, headers={**kind, **(headers or {})}, key="")


def hospital(parts: Parts) -> None:
    """A source that speaks HL7, and two appointments from it."""
    adapter = Registry.load(["hl7"]).adapters["hl7"]
    mapping = Mapping.load(adapter.mappings, None, adapter.path).bind(zone="America/Chicago")
    bound = Source.bind(TENANT, SOURCE, adapter, adapter.config.model_validate({}), mapping)
    parts.sources[TENANT, SOURCE] = bound
    kept = [(bound.mapping_hash, "mapping", mapping.text)]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], kept))
    for number in (1, 2):
        text = (
            f"MSH|^~\\&|APP|NORTH|GW|GW|20260301080000||SIU^S12|M{number}|P|2.5\r"
            f"SCH|A{number}^APP|||||CHECKUP|KNEE^knee|EVAL|45|min|^^45^20260302093000||||||||||||||Booked\r"
            f"PID|1||MRN{number}^^^NORTH^MR||SYNTHETIC^ANNE||19800102|F\r"
        )
        take(parts, bound, text.encode())


def open_admin(parts: Parts, people: People | None = None) -> Iterator[Admin]:
    """Serve these parts with an admin port until the generator is closed."""
    hospital(parts)
    parts.take(message(told={"fault": "content"}, control="held-1"))
    parts.store.write_sync(lambda connection: journal.ensure_lanes(connection, OTHER))
    port = free_port()
    people = people or People()
    with serving(parts, people=people, admin_port=port, trusted_proxies=("127.0.0.1",)) as served:
        accounts = Accounts(parts.store, parts.vault, parts.audit, people, [TENANT, OTHER])
        yield Admin(served, accounts, f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An admin port with one account per role and clinic group."""
    parts = Place(tmp_path_factory.mktemp("staffed"), "embedded").open()
    for running in open_admin(parts):
        for role in ROLES:
            running.account(f"{role}-north", role)
            running.account(f"{role}-south", role, OTHER)
        yield running
    parts.close()


@pytest.fixture
def admin(staffed: Admin) -> Admin:
    """The same, with nothing that anybody did wrong remembered."""
    staffed.served.parts.store.write_sync(lambda connection: connection.execute(failures.delete()))
    return staffed


@pytest.fixture(scope="session")
def signed(staffed: Admin) -> dict[str, dict[str, str]]:
    """Headers of everybody who works here, by name."""
    return {f"{role}-{where}": staffed.session(staffed.known[f"{role}-{where}"]) for role in ROLES for where in WHERE}
