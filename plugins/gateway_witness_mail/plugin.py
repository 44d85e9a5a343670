"""Wiring: offers the witness ``mail`` to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import OpenWitness, Witness, hookimpl
from gateway_witness_mail.config import MailWitnessConfig
from gateway_witness_mail.witness import Mailbox


class MailboxKind:
    """Mails heads to the compliance officer, hourly."""

    name = "mail"
    every: float = 3600.0
    config: type[BaseModel] = MailWitnessConfig

    def open(self, name: str, config: BaseModel) -> OpenWitness:
        """Set up one configured witness."""
        return Mailbox(name, cast("MailWitnessConfig", config))


@hookimpl
def gateway_witnesses() -> Sequence[Witness]:
    """The witness ``mail``."""
    return (MailboxKind(),)
