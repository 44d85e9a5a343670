"""Fifty hostile XML documents against every place that reads XML: no file, no network, no memory, no crash."""

from __future__ import annotations

import io
import resource
import sys
import zipfile
from collections.abc import Iterator

import pytest

from gateway.errors import GatewayError
from gateway.wire.xlsx import rows
from gateway_clearinghouse.translate_core import read

SECRET = "/etc/hostname"
BILLION = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


def documents() -> Iterator[str]:
    """Entities, external subsets, expansions, odd declarations, and things that are nearly XML."""
    for target in (
        f"file://{SECRET}",
        "http://169.254.169.254/",
        "http://localhost:1/",
        "ftp://10.0.0.1/x",
        "expect://id",
        "php://filter/read=x",
        "jar:file:///x!/y",
        "netdoc:///etc/passwd",
        "gopher://127.0.0.1/",
        SECRET,
    ):
        yield f'<!DOCTYPE r [<!ENTITY x SYSTEM "{target}">]><r>&x;</r>'
        yield f'<!DOCTYPE r SYSTEM "{target}"><r/>'
        yield f'<!DOCTYPE r [<!ENTITY % x SYSTEM "{target}"> %x;]><r/>'
    yield f'<!DOCTYPE r [<!ENTITY a0 "lol">{BILLION}]><r>&a9;</r>'
    yield f'<!DOCTYPE r [<!ENTITY a "{"x" * 50_000}">]><r>{"&a;" * 5000}</r>'
    yield '<!DOCTYPE r [<!ENTITY a "&b;"><!ENTITY b "&a;">]><r>&a;</r>'
    yield f'<!DOCTYPE r [<!ATTLIST r a CDATA "{"x" * 10_000}">]><r/>'
    yield '<!DOCTYPE r PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/x.dtd"><r/>'
    yield '<!DOCTYPE r [<!NOTATION n SYSTEM "file:///bin/sh">]><r/>'
    yield '<!DOCTYPE r [<!ENTITY x SYSTEM "a.gif" NDATA gif>]><r/>'
    yield '<?xml-stylesheet href="file:///etc/passwd"?><r/>'
    yield f'<r xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file://{SECRET}" parse="text"/></r>'
    yield '<r xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://a http://127.0.0.1/x"/>'
    yield '<?xml version="1.0" encoding="UTF-7"?>+ADw-r+AD4-'
    yield '<?xml version="1.0" encoding="utf-16"?><r/>'
    yield '<?xml version="1.1"?><r>&#x1;</r>'
    yield "<r>&undefined;</r>"
    yield "<r>&#0;</r>"
    yield "<r>\x00</r>"
    yield "<r>" * 20_000 + "</r>" * 20_000
    yield "<r " + " ".join(f'a{n}="x"' for n in range(20_000)) + "/>"
    yield f"<r>{'<!--' + 'x' * 100_000 + '-->'}</r>"
    yield f"<r><![CDATA[{']]' * 50_000}]]></r>"
    yield "<r></s>"
    yield "<r/><r/>"
    yield ""
    yield "\ufeff" * 1000


DOCUMENTS = tuple(documents())


def soap(document: str) -> None:
    """As the answer of a clearinghouse."""
    read("application/soap+xml; charset=utf-8", document.encode("utf-8", "surrogatepass"))


def sheet(document: str) -> None:
    """As each part of a workbook in turn."""
    for target in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, body in WORKBOOK.items():
                archive.writestr(name, document if name == target else body)
        try:
            assert not any(b"lollol" in line for line in rows(packed.getvalue()))
        except GatewayError:
            continue


def _workbook() -> dict[str, bytes]:
    from openpyxl import Workbook

    book, packed = Workbook(), io.BytesIO()
    book.active.append(["a", "b"])
    book.save(packed)
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


WORKBOOK = _workbook()
_watch: list[str] = []
_on = [False]


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    inside = event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen"}
    if _on[0] and (inside or (event == "open" and arguments[0] == SECRET)):
        _watch.append(event)


sys.addaudithook(_audit)


def test_there_are_fifty() -> None:
    """The corpus is as large as the requirement asks."""
    assert len(DOCUMENTS) >= 50


@pytest.mark.parametrize("entry", [soap, sheet], ids=lambda entry: entry.__name__)
def test_hostile_documents_are_refused_or_harmless(entry) -> None:
    """Nothing but an error of the family comes out, nothing outside is asked, and memory stays small."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _watch.clear()
    for document in DOCUMENTS:
        _on[0] = True
        try:
            entry(document)
        except GatewayError:
            continue
        finally:
            _on[0] = False
    assert _watch == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_the_watch_sees_a_look_outside() -> None:
    """Opening the file that the documents name is noticed."""
    _on[0] = True
    with open(SECRET):  # noqa: PTH123 - as a parser would
        pass
    _on[0] = False
    assert _watch
    _watch.clear()
