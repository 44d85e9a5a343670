"""What vendors publish of the requests they take: names, kinds, lengths and choices, as JSON Schema.

Twilio, SendGrid and Xero publish OpenAPI, Sage and Intuit name the elements of their XML and JSON in their software
kits; here stand the facts of the requests we make, and nothing that is not published is allowed in one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from defusedxml.ElementTree import fromstring
from jsonschema import Draft202012Validator
from yarl import URL

Schema = dict[str, Any]
E164 = {"type": "string", "pattern": r"^\+[1-9]\d{6,14}$"}
WEB = {"type": "string", "pattern": "^https?://"}
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
MONEY = {"type": "string", "pattern": r"^\d+\.\d{2}$"}
TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
OFF = {"type": "object", "required": ["enable"], "additionalProperties": {"type": ["boolean", "string"]}}


def closed(required: str, properties: Mapping[str, Any], **more: Any) -> Schema:
    """An object of these properties and no others."""
    return {
        "type": "object", "required": required.split(), "properties": dict(properties), "additionalProperties": False,
        **more,
    }  # fmt: skip


def several(item: Schema, least: int = 1, most: int | None = None) -> Schema:
    """A list."""
    return {"type": "array", "items": item, "minItems": least, **({} if most is None else {"maxItems": most})}


_QUEUE = r"^([1-9]|[1-9]\d{1,3}|[12]\d{4}|3[0-5]\d{3}|36000)$"
MESSAGE = closed(
    "To Body",
    {
        "To": E164, "From": E164, "MessagingServiceSid": {"type": "string", "pattern": "^MG[0-9a-f]{32}$"},
        "Body": {"type": "string", "minLength": 1, "maxLength": 1600}, "StatusCallback": WEB,
        "ValidityPeriod": {"type": "string", "pattern": _QUEUE},
    },
    oneOf=[{"required": ["From"]}, {"required": ["MessagingServiceSid"]}],
)  # fmt: skip
CALL = closed(
    "To From Twiml", {"To": E164, "From": E164, "Twiml": {"type": "string", "maxLength": 4000}, "StatusCallback": WEB}
)
MESSAGES = closed(
    "",
    {
        "To": E164, "From": E164, "DateSent>": DAY, "DateSent": DAY, "DateSent<": DAY,
        "PageSize": {"type": "string", "pattern": r"^\d{1,4}$"},
    },
)  # fmt: skip
PERSON = closed("email", {"email": {"type": "string", "pattern": "^[^@]+@[^@]+$"}, "name": TEXT})
MAIL = closed(
    "personalizations from subject content",
    {
        "personalizations": several(closed("to", {"to": several(PERSON)}), most=1000), "from": PERSON,
        "subject": NAME, "content": several(closed("type value", {"type": NAME, "value": NAME})),
        "custom_args": {"type": "object", "additionalProperties": TEXT},
        "headers": {"type": "object", "additionalProperties": TEXT},
        "tracking_settings": closed(
            "", dict.fromkeys(("click_tracking", "open_tracking", "subscription_tracking", "ganalytics"), OFF)
        ),
        "mail_settings": closed("", {"sandbox_mode": OFF}),
    },
)  # fmt: skip
REF = closed("value", {"value": NAME, "name": TEXT})
BOOKED = closed(
    "PostingType AccountRef",
    {
        "PostingType": {"enum": ["Debit", "Credit"]}, "AccountRef": REF, "ClassRef": REF, "DepartmentRef": REF,
        "Entity": closed("Type EntityRef", {"Type": {"enum": ["Customer", "Vendor", "Employee"]}, "EntityRef": REF}),
    },
)  # fmt: skip
ENTRY = closed(
    "Line",
    {
        "TxnDate": DAY, "DocNumber": {"type": "string", "maxLength": 21}, "PrivateNote": TEXT,
        "Line": several(
            closed(
                "Amount DetailType JournalEntryLineDetail",
                {
                    "Amount": {"type": "number", "exclusiveMinimum": 0}, "Description": TEXT,
                    "DetailType": {"const": "JournalEntryLineDetail"}, "JournalEntryLineDetail": BOOKED,
                },
            ),
            least=2,
        ),
    },
)  # fmt: skip
BATCH = closed(
    "BatchItemRequest",
    {
        "BatchItemRequest": several(
            closed(
                "bId operation JournalEntry",
                {"bId": {"type": "string", "maxLength": 10}, "operation": {"const": "create"}, "JournalEntry": ENTRY},
            ),
            most=30,
        )
    },
)
JOURNALS = closed(
    "ManualJournals",
    {
        "ManualJournals": several(
            closed(
                "Narration JournalLines",
                {
                    "Narration": NAME, "Date": DAY, "LineAmountTypes": {"enum": ["Exclusive", "Inclusive", "NoTax"]},
                    "Status": {"enum": ["DRAFT", "POSTED", "DELETED", "VOIDED", "ARCHIVED"]},
                    "JournalLines": several(
                        closed(
                            "LineAmount AccountCode",
                            {
                                "LineAmount": {"type": "number"}, "AccountCode": NAME, "Description": TEXT,
                                "Tracking": several(closed("Name Option", {"Name": NAME, "Option": NAME}), most=2),
                            },
                        ),
                        least=2,
                    ),
                },
            )
        )
    },
)  # fmt: skip
LEDGER_LINE = closed(
    "ACCOUNTNO TR_TYPE TRX_AMOUNT",
    {
        "ACCOUNTNO": NAME, "TR_TYPE": {"enum": ["1", "-1"]}, "TRX_AMOUNT": MONEY, "LOCATION": NAME, "DEPARTMENT": NAME,
        "CLASSID": NAME, "DESCRIPTION": TEXT,
    },
)  # fmt: skip
LEDGER = closed(
    "JOURNAL BATCH_DATE BATCH_TITLE ENTRIES",
    {
        "JOURNAL": NAME, "BATCH_DATE": {"type": "string", "pattern": r"^\d{2}/\d{2}/\d{4}$"}, "BATCH_TITLE": NAME,
        "REFERENCENO": TEXT, "STATE": NAME, "ENTRIES": closed("GLENTRY", {"GLENTRY": several(LEDGER_LINE, least=2)}),
    },
)  # fmt: skip
CONTROL = closed(
    "senderid password controlid uniqueid dtdversion",
    {
        "senderid": NAME, "password": NAME, "controlid": {"type": "string", "minLength": 1, "maxLength": 256},
        "uniqueid": {"enum": ["true", "false"]}, "dtdversion": {"const": "3.0"},
        "includewhitespace": {"enum": ["true", "false"]},
    },
)  # fmt: skip
ANY: Schema = {"type": "object"}
GATEWAY = closed(
    "control operation",
    {
        "control": CONTROL,
        "operation": closed(
            "authentication content",
            {
                "authentication": {"oneOf": [
                    closed("sessionid", {"sessionid": NAME}),
                    closed("login", {"login": closed("userid companyid password", dict.fromkeys(
                        ("userid", "companyid", "password", "locationid"), NAME
                    ))}),
                ]},
                "content": closed("function", {"function": {"oneOf": [
                    closed("create", {"create": closed("GLBATCH", {"GLBATCH": LEDGER})}),
                    closed("getAPISession", {"getAPISession": TEXT}), closed("query", {"query": ANY}),
                ]}}),
            },
        ),
    },
)  # fmt: skip


def form(body: bytes) -> Any:
    """The parameters of a form."""
    return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))


def _tree(element: Any) -> Any:
    """Elements as objects; the lines of a journal are a list however many there are."""
    if not len(element):
        return element.text or ""
    if element.tag == "ENTRIES":
        return {"GLENTRY": [_tree(one) for one in element]}
    return {one.tag: _tree(one) for one in element}


def xml(body: bytes) -> Any:
    """A document without its outermost element."""
    return _tree(fromstring(body))


JSON: Callable[[bytes], Any] = msgspec.json.decode
REQUESTS: Mapping[str, tuple[tuple[str, str, Callable[[bytes], Any], Schema], ...]] = {
    "twilio": (("POST", r"/Messages\.json$", form, MESSAGE), ("POST", r"/Calls\.json$", form, CALL)),
    "sendgrid": (("POST", r"/v3/mail/send$", JSON, MAIL),),
    "quickbooks": (("POST", r"/journalentry$", JSON, ENTRY), ("POST", r"/batch$", JSON, BATCH)),
    "xero": (("(POST|PUT)", r"/ManualJournals$", JSON, JOURNALS),),
    "intacct": (("POST", r"/xmlgw\.phtml$", xml, GATEWAY),),
}
"""By vendor: method and end of the path, how the body is read, and what it must be."""
HEADERS: Mapping[str, Mapping[str, str]] = {
    "twilio": {"authorization": "Basic .+"}, "sendgrid": {"authorization": "Bearer .+"},
    "quickbooks": {"authorization": "Bearer .+"}, "intacct": {"content-type": "application/xml"},
    "xero": {"authorization": "Bearer .+", "xero-tenant-id": ".+", "idempotency-key": ".{1,128}"},
}  # fmt: skip
"""What must stand in the headers of each of these requests."""
MINOR_VERSION, REQUEST_ID, BATCH_ID = 75, 50, 36


def faults(vendor: str, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> Iterator[str]:
    """What of a request is not as its vendor publishes it; other requests than those above are not judged."""
    if vendor == "twilio" and method == "GET":
        yield from _told(MESSAGES, dict(url.query))
    for methods, path, read, schema in REQUESTS[vendor]:
        if re.fullmatch(methods, method) and re.search(path, url.path):
            yield from _told(schema, read(body or b""))
            held = {name.lower(): value for name, value in headers.items()}
            for name, pattern in HEADERS[vendor].items():
                if not re.fullmatch(pattern, held.get(name, "")):
                    yield f"header {name}"
            if vendor == "quickbooks":
                yield from _query(url)


def _query(url: URL) -> Iterator[str]:
    if int(url.query.get("minorversion", "0")) < MINOR_VERSION:
        yield "minorversion"
    longest = BATCH_ID if url.path.endswith("/batch") else REQUEST_ID
    if not 0 < len(url.query.get("requestid", "")) <= longest:
        yield "requestid"


def _told(schema: Schema, found: Any) -> Iterator[str]:
    for error in Draft202012Validator(schema).iter_errors(found):
        yield f"{error.json_path}: {error.message}"
