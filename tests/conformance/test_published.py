"""The forms that requests are held against see what is wrong in one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yarl import URL

from tests.conformance.published import faults, form, xml

TWILIO = "https://api.twilio.com/2010-04-01/Accounts/AC1/"
BASIC, BEARER = {"Authorization": "Basic x"}, {"Authorization": "Bearer x"}
LINE = {
    "Amount": 1.5, "DetailType": "JournalEntryLineDetail",
    "JournalEntryLineDetail": {"PostingType": "Debit", "AccountRef": {"value": "35"}},
}  # fmt: skip
QUICKBOOKS = "https://quickbooks.api.intuit.com/v3/company/1/journalentry?minorversion=75&requestid=r1"
MAIL = {
    "personalizations": [{"to": [{"email": "ann@example.com"}]}], "from": {"email": "desk@example.com"},
    "subject": "Visit", "content": [{"type": "text/plain", "value": "Tomorrow."}],
}  # fmt: skip
XERO = "https://api.xero.com/api.xro/2.0/ManualJournals"
OF_XERO = {**BEARER, "xero-tenant-id": "t", "Idempotency-Key": "k"}
MANUAL: dict[str, Any] = {"Narration": "N", "JournalLines": [{"LineAmount": 1, "AccountCode": "090"}] * 2}


def told(vendor: str, url: str, body: Any, headers: dict[str, str]) -> list[str]:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(faults(vendor, "POST", URL(url), sent, headers))


def test_what_is_published_is_let_through() -> None:
    """A request of each kind, as small as it may be, has no fault."""
    number = "To=%2B13125550147&Body=Hi&From=%2B15005550006"
    assert told("twilio", f"{TWILIO}Messages.json", number.encode(), BASIC) == []
    assert told("sendgrid", "https://api.sendgrid.com/v3/mail/send", MAIL, BEARER) == []
    assert told("quickbooks", QUICKBOOKS, {"Line": [LINE, LINE]}, BEARER) == []
    assert told("xero", XERO, {"ManualJournals": [MANUAL]}, OF_XERO) == []


@pytest.mark.parametrize(
    "body",
    [
        b"Body=Hi&From=%2B15005550006", b"To=3125550147&Body=Hi&From=%2B15005550006", b"To=%2B13125550147&Body=Hi",
        b"To=%2B13125550147&Body=Hi&From=%2B15005550006&Name=Ann",
        b"To=%2B13125550147&Body=Hi&From=%2B15005550006&ValidityPeriod=36001",
        b"To=%2B13125550147&From=%2B15005550006&Body=" + b"x" * 1601,
    ],
)  # fmt: skip
def test_a_text_that_twilio_does_not_publish_is_seen(body: bytes) -> None:
    """What is missing, misspelt, too long, beyond its range or no parameter at all."""
    assert len(told("twilio", f"{TWILIO}Messages.json", body, BASIC)) == 1


def test_journals_and_mails_that_are_not_published_are_seen() -> None:
    """One line only, a negative amount, an unknown element, an old version, a long key, no header, no subject."""
    wrong = {**LINE, "Amount": -1}
    cases: list[tuple[str, str, Any, dict[str, str]]] = [
        ("quickbooks", QUICKBOOKS, {"Line": [LINE]}, BEARER),
        ("quickbooks", QUICKBOOKS, {"Line": [LINE, wrong]}, BEARER),
        ("quickbooks", QUICKBOOKS, {"Line": [LINE, LINE], "Patient": "p"}, BEARER),
        ("quickbooks", QUICKBOOKS.replace("75", "70"), {"Line": [LINE, LINE]}, BEARER),
        ("quickbooks", QUICKBOOKS + "x" * 50, {"Line": [LINE, LINE]}, BEARER),
        ("xero", XERO, {"ManualJournals": [{**MANUAL, "Status": "DONE"}]}, OF_XERO),
        ("xero", XERO, {"ManualJournals": [MANUAL]}, BEARER | {"xero-tenant-id": "t"}),
        ("sendgrid", "https://api.sendgrid.com/v3/mail/send", MAIL | {"subject": ""}, BEARER),
        ("sendgrid", "https://api.sendgrid.com/v3/mail/send", MAIL, BASIC),
    ]  # fmt: skip
    assert [len(told(*case)) for case in cases] == [1] * len(cases)


def test_a_batch_of_the_xml_gateway_that_is_not_published_is_seen() -> None:
    """An amount with three places, a third kind of line, an element nobody knows."""
    line = "<GLENTRY><ACCOUNTNO>1</ACCOUNTNO><TR_TYPE>1</TR_TYPE><TRX_AMOUNT>1.50</TRX_AMOUNT></GLENTRY>"
    text = (
        "<request><control><senderid>s</senderid><password>p</password><controlid>c</controlid><uniqueid>true</uniqueid>"
        "<dtdversion>3.0</dtdversion></control><operation><authentication><sessionid>s</sessionid></authentication>"
        "<content><function><create><GLBATCH><JOURNAL>GJ</JOURNAL><BATCH_DATE>07/14/2026</BATCH_DATE>"
        f"<BATCH_TITLE>T</BATCH_TITLE><ENTRIES>{line}{line}</ENTRIES></GLBATCH></create></function></content>"
        "</operation></request>"
    )
    gate, headers = "https://api.intacct.com/ia/xml/xmlgw.phtml", {"Content-Type": "application/xml"}
    assert told("intacct", gate, text.encode(), headers) == []
    for good, bad in (("1.50", "1.505"), ("<TR_TYPE>1<", "<TR_TYPE>2<"), ("BATCH_TITLE", "TITLE"), (">3.0<", ">2.1<")):
        assert told("intacct", gate, text.replace(good, bad).encode(), headers), good


def test_forms_and_documents_are_read_whole() -> None:
    """An empty parameter is one, and lines are a list."""
    assert form(b"a=&b=1") == {"a": "", "b": "1"}
    assert xml(b"<x><ENTRIES><GLENTRY><A>1</A></GLENTRY></ENTRIES></x>") == {"ENTRIES": {"GLENTRY": [{"A": "1"}]}}
