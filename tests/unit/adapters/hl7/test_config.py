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
    "wrong", [{"charset": "KLINGON"}, {"port": 70_000}, {"plaintext_networks": ["10.0.0.300/8"]}, {"listn": True}]
)
def test_wrong_settings_are_refused(wrong):
    """Unknown charsets, ports, networks and keys do not pass."""
    with pytest.raises(ValidationError):
        Hl7Config(**wrong)


def test_every_setting_has_a_sentence():
    """The reference is made of these sentences."""
    assert all(field.description and field.description.endswith(".") for field in Hl7Config.model_fields.values())
