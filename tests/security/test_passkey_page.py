"""The page of passkeys: what anybody is served, and what a person does with it in a real browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.http.admin_pages import PAGES
from gateway.store.schema_people import people
from tests.security import browser
from tests.security.conftest import Account, Admin
from tests.security.test_passkeys import origin

pytest.importorskip("webauthn", reason="the extra people is not installed")
NAME = 'blue <b>key</b> & "more"'


@pytest.mark.parametrize("path", sorted(PAGES))
def test_a_page_is_served_to_anybody_and_may_speak_to_its_own_port_alone(admin: Admin, path: str) -> None:
    """It needs no session, is kept by no browser, may run its own script alone and may stand in no other page."""
    answer = admin.ask(path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert admin.ask(path, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert admin.ask(path, headers={"Host": "evil.example"}).status == 421


async def fill(page: browser.Page, form: str, given: dict[str, str]) -> None:
    """Write into a form and send it."""
    await page.value(
        f"""{{ const form = document.getElementById({json.dumps(form)});
        for (const [name, text] of Object.entries({json.dumps(given)})) form.elements[name].value = text;
        form.requestSubmit(); }}"""
    )


async def shown(page: browser.Page, section: str) -> None:
    """Wait for a part of the page."""
    await page.until(f"!document.getElementById({json.dumps(section)}).hidden")


async def told(page: browser.Page, words: str) -> None:
    """Wait for the page to say something."""
    await page.until(f"document.getElementById('told').textContent.includes({json.dumps(words)})")


async def walk(admin: Admin, account: Account, page: browser.Page) -> None:
    """Sign in, make a passkey, sign in with it, remove it, and fail to sign in with it."""
    await page.call("Page.navigate", url=f"{origin(admin)}/passkeys")
    await page.until("document.readyState === 'complete' && document.title.startsWith('Passkeys')")
    await shown(page, "signing-in")
    await fill(page, "sign-in", {"name": account.name, "password": "wrong", "code": account.code()})
    await told(page, "not right")
    await fill(page, "sign-in", {"name": account.name, "password": account.password, "code": account.code()})
    await shown(page, "own")
    assert await page.value("document.getElementById('list').hidden")
    await fill(page, "add", {"name": NAME, "password": "wrong"})
    await told(page, "password is not right")
    await fill(page, "add", {"name": NAME, "password": account.password})
    await page.until("document.querySelectorAll('#rows tr').length === 1")
    assert await page.value("document.querySelector('#rows td').textContent") == NAME
    assert await page.value("document.querySelectorAll('input').values().every((one) => one.value === '')")
    await page.value("document.getElementById('sign-out').click()")
    await told(page, "signed out")
    await shown(page, "signing-in")
    await page.value("document.getElementById('with-passkey').click()")
    await shown(page, "own")
    assert await page.value("document.getElementById('name').textContent") == account.name
    await page.value("window.confirm = () => true; document.querySelector('#rows button').click()")
    await told(page, "is removed")
    await shown(page, "signing-in")
    await page.value("document.getElementById('with-passkey').click()")
    await told(page, "not right")


needs_browser = pytest.mark.skipif(
    browser.found() is None, reason="no Chromium on the path, and GATEWAY_BROWSER names none"
)


@needs_browser
def test_a_password_that_was_made_is_changed_on_the_page(admin: Admin, tmp_path: Path) -> None:
    """Nothing else is offered before that, and the new one signs in."""
    account = admin.somebody("biller")
    admin.change(account.name, temporary=True)
    chosen = "quite another long password"

    async def main() -> None:
        async with browser.opened(str(browser.found()), tmp_path) as page:
            await page.call("Page.navigate", url=f"{origin(admin)}/passkeys")
            await page.until("document.readyState === 'complete' && document.title.startsWith('Passkeys')")
            await shown(page, "signing-in")
            await fill(page, "sign-in", {"name": account.name, "password": account.password, "code": account.code()})
            await shown(page, "choosing")
            assert await page.value("document.getElementById('own').hidden")
            await fill(page, "choose", {"old": account.password, "new": chosen})
            await told(page, "is changed")
            await shown(page, "signing-in")

    asyncio.run(main())
    assert admin.sign_in(account, password=chosen).status == 200


@needs_browser
def test_a_person_makes_uses_and_removes_a_passkey_in_a_browser(admin: Admin, tmp_path: Path) -> None:
    """All of it by page alone; the name is shown as it was written, and nothing of the page breaks its own policy."""
    account = admin.somebody("operator")
    unused = people.update().where(people.c.person == account.name).values(step=0)

    async def main() -> None:
        async with browser.opened(str(browser.found()), tmp_path) as page:
            admin.served.parts.store.write_sync(lambda connection: connection.execute(unused))
            await walk(admin, account, page)
            assert [one for one in page.complaints if "policy" in one.lower() or "exception" in one.lower()] == []
            assert await page.value("try { document.body.innerHTML = '<b>x</b>'; 1 } catch { 2 }") == 2
            assert "TrustedHTML" in str(page.complaints)

    asyncio.run(main())
