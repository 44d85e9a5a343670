"""Wiring: offers the clearinghouse sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.errors import InvalidConfiguration
from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import RateBudget, SinkInfo
from gateway.settings import resolve_secret
from gateway.transport.budget import RateWindow
from gateway.transport.egress import Egress
from gateway_clearinghouse.config import ClearinghouseConfig, Setup, setup
from gateway_clearinghouse.sink import Clearinghouse
from gateway_clearinghouse.sink_memory import Memory
from gateway_clearinghouse.transport_core import CoreService
from gateway_clearinghouse.transport_sftp import Mailbox

ANSWER_BYTES = 16 * 1024 * 1024


class ClearinghouseSink:
    """Sends submissions to one clearinghouse."""

    info = SinkInfo(
        name="clearinghouse",
        version="1",
        api=API_VERSION,
        summary="Claims and questions to payers: 837P, 270, 276, 278 by SFTP or CAQH CORE",
        idempotency="probe",
        residual_risk="A mailbox that is emptied at once may get a document again, under the same control number.",
        batch=16,
        linger=0.2,
    )
    config: type[BaseModel] = ClearinghouseConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the settings against the profile and take the memory file; connections are made when needed."""
        settings = cast("ClearinghouseConfig", config)
        place = f"routes.{route}"
        made = setup(settings)
        way = _mailbox(settings, made) if made.connection == "sftp" else _service(settings, made, place)
        return Clearinghouse(settings, made, way, Memory(settings.memory))


def _mailbox(settings: ClearinghouseConfig, made: Setup) -> Mailbox:
    if settings.sftp is None:
        raise InvalidConfiguration("A mailbox needs an account", where="sftp")
    return Mailbox(settings.sftp, made.upload)


def _service(settings: ClearinghouseConfig, made: Setup, place: str) -> CoreService:
    if settings.password is None:
        raise InvalidConfiguration("A CORE service needs a password", where=f"{place}.password")
    egress = Egress(
        made.url, allow_loopback=settings.allow_loopback, ca_file=settings.ca_file, connections=4,
        timeout=settings.timeout, answer_limit=ANSWER_BYTES, where=f"{place}.url",
    )  # fmt: skip
    budget = RateWindow(RateBudget(requests=settings.requests, seconds=settings.seconds))
    return CoreService(
        egress,
        budget,
        soap=made.connection == "core-soap",
        user=settings.user,
        password=resolve_secret(settings.password),
        unknown=settings.unknown_payload_error,
    )


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The clearinghouse sink."""
    return (ClearinghouseSink(),)
