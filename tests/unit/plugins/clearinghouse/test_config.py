"""Profiles fill in what is publicly known, and say what is not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway_clearinghouse.config import ClearinghouseConfig, profiles, setup

ACCOUNT = {"host": "sftp.example", "user": "u", "host_keys": ["SHA256:x"], "password": "env:P"}


def config(**fields) -> ClearinghouseConfig:
    needed = {"memory": "m", "submitter_id": "SUBM001", "submitter_name": "Us", "submitter_phone": "5555550100"}
    return ClearinghouseConfig.model_validate({**needed, **fields})


def test_every_profile_can_be_set_up():
    """With an account, an id and a folder each of the seven works."""
    assert set(profiles()) == {"stedi", "availity", "optum", "waystar", "trizetto", "eligible", "generic-sftp"}
    for name in profiles():
        given = config(
            profile=name,
            sftp=ACCOUNT,
            receiver_id="CH",
            upload="in",
            url="https://core.example/x",
            user="u",
            password="env:P",
        )
        assert setup(given).receiver_id == "CH"


def test_tests_and_production_go_to_different_receivers():
    """Stedi tells a test by its receiver id, and so do we."""
    test = setup(config(profile="stedi", sftp=ACCOUNT))
    real = setup(config(profile="stedi", sftp=ACCOUNT, production=True))
    assert (test.receiver_id, real.receiver_id, real.upload, real.takes) == (
        "STEDITEST",
        "STEDI",
        "to-stedi",
        ("claim",),
    )


def test_waystar_sorts_by_extension():
    """The documented extensions are used; a setting replaces one of them."""
    made = setup(config(profile="waystar", sftp=ACCOUNT, receiver_id="W", extensions={"claim": "837"}))
    assert made.extensions == {"claim": "837", "eligibility": "ELG", "claim-status": "276"}


def test_a_public_address_takes_what_it_is_for():
    """Waystar's public CORE address is that of eligibility; another one that was agreed on takes everything."""
    core = {"profile": "waystar", "connection": "core-soap", "receiver_id": "W", "user": "u", "password": "env:P"}
    assert setup(config(**core)).takes == ("eligibility",)
    assert "claim" in setup(config(**core, url="https://core.example/x")).takes
    assert "claim" in setup(config(profile="waystar", receiver_id="W", sftp=ACCOUNT)).takes


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"sftp": ACCOUNT, "upload": "in"}, "sftp to generic-sftp needs receiver_id;"),
        ({"profile": "trizetto", "sftp": ACCOUNT, "receiver_id": "T"}, "needs upload;"),
        ({}, "needs receiver_id, sftp;"),
        ({"connection": "core-soap", "receiver_id": "T"}, "needs url, user, password;"),
        ({"connection": "core-mime", "profile": "waystar", "receiver_id": "T", "user": "u"}, "needs password;"),
        ({"sftp": ACCOUNT, "receiver_id": "T", "file_name": "claims.x12"}, "must hold {control}"),
    ],
)
def test_what_nobody_publishes_must_be_set(fields, told):
    """Everything that is missing is named at once, when the settings are read."""
    with pytest.raises(ValidationError) as caught:
        config(**fields)
    assert told in str(caught.value)
