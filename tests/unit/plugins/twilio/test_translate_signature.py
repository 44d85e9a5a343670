"""X-Twilio-Signature, by vectors made elsewhere."""

from __future__ import annotations

from gateway_twilio.translate_signature import signature, verified

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": ["CA1234567890ABCDE"], "Digits": ["1234"], "From": ["+14158675309"], "To": ["+18005551212"],
    "Caller": ["+14158675309"],
}  # fmt: skip


def test_known_signatures() -> None:
    """A form, a repeated parameter, and an address that binds a JSON body."""
    assert signature("12345", URL, FORM) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    doubled = {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]}
    assert signature("12345", URL, doubled) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    bound = URL + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    body = b'{"property": "value", "boolean": true}'
    assert verified("12345", bound, body, {}, "a9nBmqA0ju/hNViExpshrM61xv4=")
    assert not verified("12345", bound, body + b" ", {}, "a9nBmqA0ju/hNViExpshrM61xv4=")


def test_only_the_port_may_differ_as_it_is_written() -> None:
    """Capitals, brackets and an empty query stay what was signed, with the default port and without it."""
    for short, long in (
        ("https://Hooks.Example.org/sms?", "https://Hooks.Example.org:443/sms?"),
        ("https://[2001:db8::1]/sms", "https://[2001:db8::1]:443/sms"),
        ("http://h.example/sms", "http://h.example:80/sms"),
    ):
        assert verified("12345", long, b"", FORM, signature("12345", short, FORM))
        assert verified("12345", short, b"", FORM, signature("12345", long, FORM))
        assert not verified("12345", short.lower() + "x", b"", FORM, signature("12345", long, FORM))
    other = "https://h.example:8443/sms"
    assert verified("12345", other, b"", FORM, signature("12345", other, FORM))
    assert not verified("12345", other, b"", FORM, signature("12345", "https://h.example/sms", FORM))


def test_the_default_port_may_be_written_or_not() -> None:
    """A proxy that adds or drops :443 does not break the signature; any other change does."""
    with_port = URL.replace(".com/", ".com:443/")
    shown = signature("12345", URL, FORM)
    assert verified("12345", with_port, b"", FORM, shown)
    assert verified("12345", URL, b"", FORM, signature("12345", with_port, FORM))
    for url, form, token in (
        (URL + "3", FORM, "12345"),
        (URL.replace("https", "http"), FORM, "12345"),
        (URL, {**FORM, "Digits": ["1235"]}, "12345"),
        (URL, FORM, "12346"),
    ):
        assert not verified(token, url, b"", form, shown)
    assert not verified("12345", URL, b"", FORM, "")
    assert not verified("12345", URL, b"", FORM, "\udcff")
