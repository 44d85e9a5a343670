"""A mailed head arrives whole, and a server that does not take it is tried later."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from gateway.audit import Signer
from gateway.audit.checkpoint import Verifier, notes_in
from gateway.errors import RetryLater
from gateway.model.exchange import SignedHead
from gateway_witness_mail.config import MailWitnessConfig
from gateway_witness_mail.simulator import running
from gateway_witness_mail.witness import Mailbox
from tests.waiting import PATIENCE

SIGNER = Signer("clinic", Ed25519PrivateKey.generate())
HEAD = SignedHead(origin=SIGNER.origin, size=1234, note=SIGNER.sign(1234, bytes(32)).note, prove=lambda old: ())


def config(port: int, **more: object) -> MailWitnessConfig:
    """Settings for a server on this machine."""
    return MailWitnessConfig.model_validate(
        {
            "host": "127.0.0.1", "port": port, "encryption": "none", "sender": "gateway@clinic.example",
            "recipients": ["officer@clinic.example"],
        } | more
    )  # fmt: skip


def test_the_mail_holds_a_head_that_verifies() -> None:
    """The note in the mail is the signed head, byte for byte; the subject names log and size; failures are retried."""

    async def main() -> None:
        async with running() as mails, asyncio.timeout(PATIENCE):
            box = Mailbox("officer", config(mails.port))
            await box.keep(HEAD)
            (mail,) = mails.kept
            assert (mail["To"], mail["Subject"]) == (
                "officer@clinic.example", "Audit log emr-gateway/clinic: 1234 entries",
            )  # fmt: skip
            (note,) = notes_in(mail.get_content().replace("\r\n", "\n"))
            assert Verifier([SIGNER.public_key]).open(note).size == 1234
            assert await box.heads(SIGNER.origin) == ()
            mails.refuse = 1
            with pytest.raises(RetryLater):
                await box.keep(HEAD)
            await box.keep(HEAD)
            assert len(mails.kept) == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong", [{"host": "mail.example"}, {"recipients": ["nobody"]}, {"user": "ann"}, {"sender": "a b"}], ids=str
)
def test_weak_or_half_settings_are_refused(wrong: dict[str, object]) -> None:
    """No mail leaves this machine unencrypted, and half an account or an address is a mistake."""
    with pytest.raises(ValidationError):
        config(25, **wrong)


def test_a_server_that_is_away_is_tried_later() -> None:
    """Where nobody listens, the head waits."""
    with pytest.raises(RetryLater):
        asyncio.run(Mailbox("officer", config(9)).keep(HEAD))
