"""Settings: safe by default, and wrong ones told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway_hl7.config import Hl7Config


def test_defaults_listen_on_loopback_only():
    """A source without settings listens on the registered port of this machine alone."""
    config = Hl7Config()
    assert (config.host, config.port, config.plaintext_networks) == ("127.0.0.1", 2575, ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"charset": "KLINGON"}, {"port": 70_000}, {"plaintext_networks": ["10.0.0.300/8"]}, {"listn": True},
        {"host": "0.0.0.0"},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    """Unknown charsets, ports, networks and keys do not pass, nor an open port without TLS."""
    with pytest.raises(ValidationError):
        Hl7Config(**wrong)


def test_an_open_port_needs_tls_or_named_networks():
    """With a certificate, with the networks that may do without, or without a listener any address will do."""
    for enough in (
        {"tls": {"certificate": "c", "key": "k"}},
        {"plaintext_networks": ["10.0.0.0/8"]},
        {"listen": False},
    ):
        assert Hl7Config(host="0.0.0.0", **enough).host == "0.0.0.0"


def test_every_setting_has_a_sentence():
    """The reference is made of these sentences."""
    assert all(field.description and field.description.endswith(".") for field in Hl7Config.model_fields.values())
