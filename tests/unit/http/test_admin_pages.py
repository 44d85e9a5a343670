"""Files of the console: they hold together, ask only what the admin port offers, and make no text into a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from gateway.http.admin_pages import PAGES
from gateway.http.admin_table import TABLE

CONSOLE = files("gateway.console")
ASKED = re.compile(r'ask\("([A-Z]+)", "([^"]+)"')
DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|Storage\b|document\.cookie|https?:"
)
SCRIPTS = sorted(name for name, kind in PAGES.values() if kind == "text/javascript")
SITES = sorted(name for name, kind in PAGES.values() if kind == "text/html")


def text(name: str) -> str:
    """One file of the console."""
    return CONSOLE.joinpath(name).read_text("utf-8")


class Read(HTMLParser):
    """What a page names: its ids, what it loads, and what its policy would refuse."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loaded: set[str] = set()
        self.refused: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.loaded |= {given[name] or "" for name in ("src", "href") if name in given}
        self.refused += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.refused += [tag] if tag == "style" or (tag == "script" and "src" not in given) else []


def offences(script: str) -> Iterator[str]:
    """What a script may not do, or asks in vain."""
    yield from DANGEROUS.findall(script)
    yield from (f"{method} {path}" for method, path in ASKED.findall(script) if (method, path) not in TABLE)


@pytest.mark.parametrize("name", SITES)
def test_a_page_holds_together(name: str) -> None:
    """What it loads is served, its ids are there once, and everything its script looks for is one of them."""
    page = Read(text(name))
    assert page.loaded <= PAGES.keys()
    assert page.refused == []
    assert len(set(page.ids)) == len(page.ids)
    script = text(name.replace(".html", ".js"))
    wanted = set(re.findall(r'(?:at|onSubmit)\("([a-z-]+)"', script)) | set(re.findall(r'show\("([a-z-]+)"', script))
    assert wanted
    assert wanted <= set(page.ids)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_asks_what_is_offered_and_makes_no_text_into_a_page(name: str) -> None:
    """Every request has its line in the table of the admin port; nothing is kept in the browser."""
    assert len(ASKED.findall(text(name))) >= 8
    assert list(offences(text(name))) == []


def test_the_rules_see_a_planted_fault() -> None:
    """A request nobody answers, text made into a page, and a script within a page are each named."""
    assert list(offences('x.innerHTML = y; ask("GET", "/nothing")')) == ["innerHTML", "GET /nothing"]
    assert Read('<p onclick="x" style="y"><script>1</script>').refused == ["p onclick", "p style", "script"]


def test_every_file_of_the_console_is_served() -> None:
    """No page is forgotten, and none is served that is not there."""
    there = {one.name for one in CONSOLE.iterdir() if one.name.rpartition(".")[2] in {"html", "js", "css"}}
    assert there == {name for name, _ in PAGES.values()}
