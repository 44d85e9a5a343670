"""Profiles fill in what is publicly known, and say what is not."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidConfiguration
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
        assert setup(given, "routes.out").receiver_id == "CH"


def test_tests_and_production_go_to_different_receivers():
    """Stedi tells a test by its receiver id, and so do we."""
    test = setup(config(profile="stedi", sftp=ACCOUNT), "r")
    real = setup(config(profile="stedi", sftp=ACCOUNT, production=True), "r")
    assert (test.receiver_id, real.receiver_id, real.upload, real.takes) == (
        "STEDITEST",
        "STEDI",
        "to-stedi",
        ("claim",),
    )


def test_waystar_sorts_by_extension():
    """The documented extensions are used; a setting replaces one of them."""
    made = setup(config(profile="waystar", sftp=ACCOUNT, receiver_id="W", extensions={"claim": "837"}), "r")
    assert made.extensions == {"claim": "837", "eligibility": "ELG", "claim-status": "276"}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"sftp": ACCOUNT, "upload": "in"}, "receiver_id"),
        ({"profile": "trizetto", "sftp": ACCOUNT, "receiver_id": "T"}, "upload"),
        ({"receiver_id": "T"}, "sftp"),
        ({"connection": "core-soap", "receiver_id": "T"}, "url"),
        ({"connection": "core-mime", "profile": "waystar", "receiver_id": "T"}, "password"),
        ({"sftp": ACCOUNT, "receiver_id": "T", "file_name": "claims.x12"}, "file_name"),
    ],
)
def test_what_nobody_publishes_must_be_set(fields, where):
    """The error names the setting."""
    with pytest.raises(InvalidConfiguration) as caught:
        setup(config(**fields), "routes.out")
    assert caught.value.where == f"routes.out.{where}"
