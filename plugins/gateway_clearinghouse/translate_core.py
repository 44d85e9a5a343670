"""CAQH CORE vC2.2.0 envelopes: messages to requests, answers to replies. Pure.

Two forms of one envelope: SOAP 1.2 (real-time with the payload as text, batch with the payload as an MTOM attachment
and its length and SHA-1 checksum in the envelope) and a MIME form with one part per element.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Literal
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Struct

from gateway.errors import MalformedEnvelope

Action = Literal[
    "RealTimeTransaction",
    "BatchSubmitTransaction",
    "BatchSubmitAckRetrievalTransaction",
    "BatchResultsRetrievalTransaction",
    "BatchResultsAckSubmitTransaction",
]
ROOTS: dict[Action, str] = {
    "RealTimeTransaction": "COREEnvelopeRealTimeRequest",
    "BatchSubmitTransaction": "COREEnvelopeBatchSubmission",
    "BatchSubmitAckRetrievalTransaction": "COREEnvelopeBatchSubmissionAckRetrievalRequest",
    "BatchResultsRetrievalTransaction": "COREEnvelopeBatchResultsRetrievalRequest",
    "BatchResultsAckSubmitTransaction": "COREEnvelopeBatchResultsAckSubmission",
}
RULE = "2.2.0"
NAMESPACE = "http://www.caqh.org/SOAP/WSDL/CORERule2.2.0.xsd"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_XOP = "http://www.w3.org/2004/08/xop/include"
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
_CODE = re.compile(r"[A-Za-z]{1,60}")
_CODES = ("PayloadType", "PayloadID", "ErrorCode", "ErrorMessage", "Payload")


class Core(Struct, frozen=True, kw_only=True):
    """What an envelope says."""

    action: Action
    payload_type: str
    payload_id: str
    timestamp: str
    sender: str
    receiver: str
    payload: bytes | None = None

    @property
    def real_time(self) -> bool:
        """Whether an answer is expected within the exchange."""
        return self.action == "RealTimeTransaction"


class Reply(Struct, frozen=True, kw_only=True):
    """What came back."""

    payload_type: str = ""
    payload_id: str = ""
    error: str = ""
    """``Success``, or the code of what was wrong; ``Fault`` for a SOAP fault, ``Other`` for a code that is no word."""
    payload: bytes = b""


def soap(message: Core, user: str, password: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the SOAP form."""
    inline = message.payload is not None and message.real_time
    attached = message.payload is not None and not message.real_time
    if inline:
        payload = f"<Payload>{escape((message.payload or b'').decode('ascii'))}</Payload>"
    elif attached:
        payload = f'<Payload><xop:Include xmlns:xop="{_XOP}" href="cid:payload@gateway"/></Payload>'
    else:
        payload = ""
    fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in _fields(message).items())
    root = ROOTS[message.action]
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{_SOAP}"><soap:Header>'
        f'<wsse:Security soap:mustUnderstand="true" xmlns:wsse="{_WSSE}"><wsse:UsernameToken>'
        f'<wsse:Username>{escape(user)}</wsse:Username><wsse:Password Type="{_TEXT}">{escape(password)}'
        f"</wsse:Password></wsse:UsernameToken></wsse:Security></soap:Header><soap:Body>"
        f'<core:{root} xmlns:core="{NAMESPACE}">{fields}{payload}</core:{root}></soap:Body></soap:Envelope>'
    ).encode()
    kind = f'application/soap+xml; charset=utf-8; action="{message.action}"'
    if not attached:
        return {"content-type": kind}, text
    mark = f"gateway-{message.payload_id}"
    xop = f'application/xop+xml; charset=utf-8; type="application/soap+xml"; action="{message.action}"'
    body = _multipart(
        mark,
        [
            ({"Content-Type": xop, "Content-Transfer-Encoding": "8bit", "Content-ID": "<root@gateway>"}, text),
            (
                {
                    "Content-Type": "application/octet-stream",
                    "Content-Transfer-Encoding": "binary",
                    "Content-ID": "<payload@gateway>",
                },
                message.payload or b"",
            ),
        ],
    )
    outer = (
        f'multipart/related; boundary="{mark}"; type="application/xop+xml"; start="<root@gateway>"; '
        f'start-info="application/soap+xml"; action="{message.action}"'
    )
    return {"content-type": outer, "mime-version": "1.0"}, body


def mime(message: Core, user: str, password: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the MIME form."""
    mark = f"gateway-{message.payload_id}"
    fields = {**_fields(message), "UserName": user, "Password": password}
    parts = [({"Content-Disposition": f'form-data; name="{name}"'}, text.encode()) for name, text in fields.items()]
    if message.payload is not None:
        parts.append(({"Content-Disposition": 'form-data; name="Payload"'}, message.payload))
    return {"content-type": f'multipart/form-data; boundary="{mark}"'}, _multipart(mark, parts)


def _fields(message: Core) -> dict[str, str]:
    fields = {
        "PayloadType": message.payload_type,
        "ProcessingMode": "RealTime" if message.real_time else "Batch",
        "PayloadID": message.payload_id,
        "TimeStamp": message.timestamp,
        "SenderID": message.sender,
        "ReceiverID": message.receiver,
        "CORERuleVersion": RULE,
    }
    if message.payload is not None and not message.real_time:
        fields["PayloadLength"] = str(len(message.payload))
        fields["CheckSum"] = checksum(message.payload)
    return fields


def checksum(payload: bytes) -> str:
    """SHA-1 in hex, as the rule has it: against accidents, not against attackers; TLS is against those."""
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()


def _multipart(mark: str, parts: list[tuple[dict[str, str], bytes]]) -> bytes:
    body = bytearray()
    for headers, content in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body += f"--{mark}\r\n{lines}\r\n".encode() + content + b"\r\n"
    return bytes(body + f"--{mark}--\r\n".encode())


def read(content_type: str, body: bytes) -> Reply:
    """A reply of either form.

    Raises:
        MalformedEnvelope: it is neither, is XML with entities, or its checksum is not its payload's.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/related":
        parts = _parts(content_type, body)
        root = next(iter(parts.values()), b"")
        return _checked(_xml_fields(root, parts))
    if kind.startswith("multipart/"):
        fields = {name: content for name, content in _parts(content_type, body).items() if name}
        if "ErrorCode" not in fields:
            raise _not_core()
        return _checked(fields)
    if kind in ("application/soap+xml", "text/xml", "application/xml", "application/xop+xml"):
        return _checked(_xml_fields(body, {}))
    raise _not_core()


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts by form name, or by content id without its brackets."""
    if "\r" in content_type or "\n" in content_type:
        raise _not_core()
    parsed = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    found: dict[str, bytes] = {}
    parts: list[Message] = parsed.get_payload() if parsed.is_multipart() else []  # type: ignore[assignment]  # typeshed does not tie the two
    for number, part in enumerate(parts):
        name = part.get_param("name", header="content-disposition")
        id = (part.get("Content-ID") or "").strip("<> ")
        content = part.get_payload(decode=True)
        found[str(name or id or number)] = content if isinstance(content, bytes) else b""
    return found


def _xml_fields(text: bytes, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise _not_core() from None
    fields: dict[str, bytes] = {}
    for element in root.iter():
        name = _local(element)
        if name == "Fault":
            return {"ErrorCode": b"FaultSender" if _is_senders(element) else b"Fault"}
        if name in ("CheckSum", *_CODES):
            fields[name] = _content(element, parts)
    if "ErrorCode" not in fields:
        raise _not_core()
    return fields


def _content(element: Element, parts: Mapping[str, bytes]) -> bytes:
    for inner in element:
        if _local(inner) == "Include":
            return parts.get(inner.get("href", "").removeprefix("cid:"), b"")
    return (element.text or "").strip().encode()


def _is_senders(fault: Element) -> bool:
    return any(_local(one) == "Value" and (one.text or "").endswith("Sender") for one in fault.iter())


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _checked(fields: Mapping[str, bytes]) -> Reply:
    payload = fields.get("Payload", b"")
    said = fields.get("CheckSum", b"").decode("ascii", "replace").strip()
    if payload and said and said.lower() != checksum(payload):
        raise MalformedEnvelope("checksum-mismatched", "The reply's checksum is not its payload's", where="CheckSum")
    error = fields["ErrorCode"].decode("ascii", "replace").strip()
    return Reply(
        payload_type=fields.get("PayloadType", b"").decode("ascii", "replace").strip(),
        payload_id=fields.get("PayloadID", b"").decode("ascii", "replace").strip(),
        error=error if _CODE.fullmatch(error) else "Other",
        payload=payload.strip(),
    )


def _not_core() -> MalformedEnvelope:
    return MalformedEnvelope("not-core", "The answer is no CORE envelope", where="answer")
