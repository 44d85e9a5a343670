"""X-Twilio-Signature: HMAC-SHA1 over the address as Twilio saw it and the sorted parameters of the form. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

_PORTS = {"https": 443, "http": 80}


def signature(token: str, url: str, form: Mapping[str, Sequence[str]]) -> str:
    """What Twilio sends for this request; of a repeated parameter each value counts once."""
    signed = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


def verified(token: str, url: str, body: bytes, form: Mapping[str, Sequence[str]], sent: str) -> bool:
    """Whether a request is Twilio's. With and without the default port counts; a JSON body is bound by its digest."""
    digests = parse_qs(urlsplit(url).query).get("bodySHA256", [])
    if digests and not form and digests[0].lower() != hashlib.sha256(body).hexdigest():
        return False
    wanted = [signature(token, one, form).encode() for one in _addresses(url)]
    shown = sent.encode("utf-8", "surrogateescape")
    return any(hmac.compare_digest(one, shown) for one in wanted)


def _addresses(url: str) -> Iterator[str]:
    """The address and its other form; everything but the port stays as it was written."""
    parts = urlsplit(url)
    port = _PORTS.get(parts.scheme)
    yield url
    if port is None:
        return
    other = f"{parts.netloc}:{port}" if parts.port is None else parts.netloc.removesuffix(f":{port}")
    if other != parts.netloc:
        yield url.replace(f"//{parts.netloc}", f"//{other}", 1)
