"""CORE envelopes: what every answer form means, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from gateway.errors import MalformedEnvelope
from gateway_clearinghouse.translate_core import checksum, read


def soap(fields: str) -> bytes:
    return f'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><r>{fields}</r></e:Body></e:Envelope>'.encode()


def test_a_success_has_its_payload():
    """Error code, payload id and payload are read wherever the envelope has them."""
    reply = read(
        "application/soap+xml; charset=utf-8",
        soap("<PayloadID>7</PayloadID><ErrorCode>Success</ErrorCode><Payload>ISA*~</Payload>"),
    )
    assert (reply.error, reply.payload_id, reply.payload) == ("Success", "7", b"ISA*~")


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("text/html", b"<html></html>", "not-core"),
        ("application/soap+xml", b"<html>", "not-core"),
        ("application/soap+xml", soap(""), "not-core"),
        ("application/soap+xml", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "not-core"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "not-core"),
        ("multipart/related; boundary=b", b"--b\r\n\r\n<x/>\r\n--b--\r\n", "not-core"),
        ("multipart/related; boundary=b\r\nX: y", b"", "not-core"),
        (
            "application/soap+xml",
            soap(f"<ErrorCode>Success</ErrorCode><CheckSum>{checksum(b'other')}</CheckSum><Payload>ISA</Payload>"),
            "checksum-mismatched",
        ),
    ],
)
def test_what_is_no_envelope_is_refused(kind, body, reason):
    """Web pages, cut bodies, entities and wrong checksums never count as an answer."""
    with pytest.raises(MalformedEnvelope) as caught:
        read(kind, body)
    assert caught.value.reason == reason


def test_error_codes_are_words():
    """A code that is not one word, and might hold a value, is told as Other."""
    assert read("text/xml", soap("<ErrorCode>PayloadTypeIllegal</ErrorCode>")).error == "PayloadTypeIllegal"
    assert read("text/xml", soap("<ErrorCode>Patient Smith</ErrorCode>")).error == "Other"
    fault = b'<e:Envelope xmlns:e="s"><e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code></e:Fault></e:Envelope>'
    assert read("application/soap+xml", fault).error == "FaultSender"
