"""CORE envelopes as the simulated clearinghouse reads and writes them, by its own few lines."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from aiohttp import web
from defusedxml.ElementTree import fromstring

from gateway_clearinghouse.translate_core import NAMESPACE, checksum

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
SERVER_FAULT = (
    f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code></e:Fault>'
    "</e:Body></e:Envelope>"
)


def read(content_type: str, body: bytes) -> dict[str, bytes]:
    """Every element of an envelope by its name."""
    if content_type.startswith("application/soap+xml"):
        return _elements(body, {})
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition") or part.get("Content-ID", "").strip("<>")
        content = part.get_payload(decode=True)
        parts[str(name)] = content if isinstance(content, bytes) else b""
    if content_type.startswith("multipart/related"):
        return _elements(next(iter(parts.values())), parts)
    return parts


def _elements(text: bytes, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for element in fromstring(text).iter():
        name = _name(element).replace("Username", "UserName")
        include = next((one for one in element if _name(one) == "Include"), None)
        if include is not None:
            found[name] = parts[include.get("href", "").removeprefix("cid:")]
        elif len(element) == 0:
            found[name] = (element.text or "").encode()
    return found


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _told(fields: Mapping[str, bytes], error: str) -> dict[str, str]:
    return {
        "PayloadType": "CoreEnvelopeError" if error != "Success" else "X12_Response",
        "ProcessingMode": fields["ProcessingMode"].decode(),
        "PayloadID": fields["PayloadID"].decode(),
        "TimeStamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "SenderID": fields["ReceiverID"].decode(),
        "ReceiverID": fields["SenderID"].decode(),
        "CORERuleVersion": "2.2.0",
        "ErrorCode": error,
        "ErrorMessage": "None" if error == "Success" else "The envelope was refused.",
    }


def soap_answer(fields: Mapping[str, bytes], error: str, payload: bytes) -> web.Response:
    """A reply in the SOAP form; a batch's payload is an attachment in base64, as some services send it."""
    told = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in _told(fields, error).items())
    batch = fields["ProcessingMode"] == b"Batch" and payload
    include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:answer@simulator"/>'
    content = include if batch else escape(payload.decode())
    name = "COREEnvelopeBatchSubmissionResponse" if batch else "COREEnvelopeRealTimeResponse"
    length = f"<PayloadLength>{len(payload)}</PayloadLength><CheckSum>{checksum(payload)}</CheckSum>" if batch else ""
    text = (
        f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body><c:{name} xmlns:c="{NAMESPACE}">{told}{length}'
        f"<Payload>{content}</Payload></c:{name}></e:Body></e:Envelope>"
    )
    if not batch:
        return web.Response(text=text, content_type="application/soap+xml")
    body = (
        b"--answer\r\nContent-Type: application/xop+xml\r\nContent-ID: <root@simulator>\r\n\r\n" + text.encode()
        + b"\r\n--answer\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        + b"Content-ID: <answer@simulator>\r\n\r\n" + base64.b64encode(payload) + b"\r\n--answer--\r\n"
    )  # fmt: skip
    return web.Response(body=body, headers={"content-type": 'multipart/related; boundary="answer"'})


def mime_answer(fields: Mapping[str, bytes], error: str, payload: bytes) -> web.Response:
    """A reply in the MIME form."""
    parts = {**_told(fields, error), **({"Payload": payload.decode()} if payload else {})}
    head = "--answer\r\nContent-Disposition: form-data; name="
    body = "".join(f'{head}"{name}"\r\n\r\n{text}\r\n' for name, text in parts.items()) + "--answer--\r\n"
    return web.Response(body=body.encode(), headers={"content-type": 'multipart/form-data; boundary="answer"'})
