"""Requests and responses of the XML gateway. Pure.

A response says at three levels whether something was done: for the request, for the sign-in and for each function.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Struct

from gateway.chart import Journal, JournalLine

_CODE = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Identity(Struct, frozen=True):
    """Who asks: the sender of the licence, and a user of the company."""

    sender: str
    sender_password: str
    company: str
    user: str
    password: str
    entity: str = ""


class Response(Struct, frozen=True):
    """What a response comes to."""

    level: str
    """Where it failed: control, operation, authentication, result; empty when it did not."""
    error: str = ""
    """Number of the first error."""
    key: str = ""
    """Key of what was made, or was found."""
    session: str = ""
    endpoint: str = ""
    found: int = 0
    """How many a query found."""


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _optional(name: str, text: str) -> str:
    return _tag(name, text) if text else ""


def login(who: Identity) -> str:
    """The sign-in by user and password."""
    inner = _tag("userid", who.user) + _tag("companyid", who.company) + _tag("password", who.password)
    return f"<login>{inner}{_optional('locationid', who.entity)}</login>"


def request(who: Identity, control: str, sign_in: str, function: str, *, unique: bool) -> bytes:
    """A request with one function; a ``unique`` control id is taken once."""
    head = _tag("senderid", who.sender) + _tag("password", who.sender_password) + _tag("controlid", control)
    head += _tag("uniqueid", "true" if unique else "false") + _tag("dtdversion", "3.0")
    head += _tag("includewhitespace", "false")
    body = f'<function controlid="{escape(control)}">{function}</function>'
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><request><control>{head}</control>'
        f'<operation transaction="true"><authentication>{sign_in}</authentication><content>{body}</content>'
        f"</operation></request>"
    )
    return text.encode()


def session_call() -> str:
    """The function that opens a session."""
    return "<getAPISession/>"


def create(one: Journal, journal: str, state: str) -> str:
    """The function that makes a general ledger batch."""
    lines = "".join(_entry(each, one.memo) for each in one.lines)
    return (
        f"<create><GLBATCH>{_tag('JOURNAL', journal)}{_tag('BATCH_DATE', f'{one.day:%m/%d/%Y}')}"
        f"{_tag('BATCH_TITLE', one.memo)}{_tag('REFERENCENO', one.number)}{_optional('STATE', state)}"
        f"<ENTRIES>{lines}</ENTRIES></GLBATCH></create>"
    )


def _entry(one: JournalLine, memo: str) -> str:
    told = one.dimensions
    return (
        f"<GLENTRY>{_tag('ACCOUNTNO', one.account)}{_tag('TR_TYPE', '1' if one.debit else '-1')}"
        f"{_tag('TRX_AMOUNT', str(abs(one.amount)))}{_optional('LOCATION', told.get('location', ''))}"
        f"{_optional('DEPARTMENT', told.get('department', ''))}{_optional('CLASSID', told.get('class', ''))}"
        f"{_tag('DESCRIPTION', memo)}</GLENTRY>"
    )


def look_up(number: str) -> str:
    """The function that finds a batch by its reference."""
    return (
        "<query><object>GLBATCH</object><filter><equalto><field>REFERENCENO</field>"
        f"{_tag('value', number)}</equalto></filter><select><field>RECORDNO</field></select></query>"
    )


def response(body: bytes) -> Response | None:
    """A response, or None when it is none."""
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    if root.tag != "response":
        return None
    result = root.find("operation/result")
    for level, path in (
        ("control", "control/status"),
        ("operation", "operation/errormessage"),
        ("authentication", "operation/authentication/status"),
        ("result", "operation/result/status"),
    ):
        found = root.find(path)
        if found is not None and (found.tag == "errormessage" or found.text != "success"):
            return Response(level, _error(root))
    if result is None:
        return None if root.find("errormessage") is None else Response("control", _error(root))
    if result.find("status") is None:
        return None  # nobody said that it was done
    data = result.find("data")
    listed = data.get("totalcount", "") if data is not None else ""
    return Response(
        "", key=_text(result, "key") or _text(result, ".//RECORDNO"), session=_text(result, "data/api/sessionid"),
        endpoint=_text(result, "data/api/endpoint"), found=int(listed) if listed.isdecimal() else 0,
    )  # fmt: skip


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _error(root: Element) -> str:
    number = _text(root, ".//error/errorno")
    return number if _CODE.fullmatch(number) else "unknown"
