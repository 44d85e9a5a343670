"""One group for each claim number, and one for each group and interchange that claims travelled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.claim import Claim, ClaimStatusReport, Transmission
from gateway.model.exchange import Derivation, ReactorInfo, Snapshot
from gateway.model.remittance import ClaimPayment
from gateway.model.submission import Submission
from gateway_followup.config import FollowUpConfig
from gateway_followup.translate import facts, progress, steps
from gateway_followup.translate_second import second
from gateway_followup.translate_wait import transmitted, wait


class FollowUps:
    """Derives ClaimProgress, FollowUps for payers, and Tasks for what does not come."""

    info = ReactorInfo(
        name="followup",
        version="1",
        api=API_VERSION,
        summary="Claims after they were sent: history, alarms, status questions, second payers",
        docs="docs/how-to/follow-claims.md",
        reads=frozenset({"Claim", "ClaimStatusReport", "ClaimPayment", "Submission"}),
        writes=frozenset({"ClaimProgress", "FollowUp", "Task"}),
    )
    config: type[BaseModel] = FollowUpConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The claim's number, and the numbers it travelled under."""
        del config
        match snapshot.record:
            case Claim(control_number=number, transmission=sent):
                return (f"claim:{number}", *_travelled(snapshot.source, sent))
            case ClaimPayment(patient_control_number=str(number)):
                return (f"claim:{number}",)
            case ClaimStatusReport(report="277" | "277CA") as report:
                named = report.control_number or (report.about.batch if report.about else None)
                return (f"claim:{named}",) if named else ()
            case ClaimStatusReport(about=sent):
                return tuple(_travelled(snapshot.source, sent))
            case Submission(kind="claim", control_number=number):
                return (f"claim:{number}",)
        return ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """What follows for one claim, or for what travelled together."""
        settings = cast("FollowUpConfig", config)
        kind, _, number = key.partition(":")
        if kind != "claim":
            waiting = transmitted(key, members, settings, now)
            return Derivation(records=waiting.records, again=waiting.again)
        known = facts(number, members)
        history = steps(known)
        waiting = wait(known, history, settings, now)
        next_ = second(known, settings, now)
        stands = progress(known, history, waiting.asked, next_.forwarded_to)
        records = (*([stands] if stands else []), *waiting.records, *next_.records)
        return Derivation(records=records, again=min((at for at in (waiting.again, next_.again) if at), default=None))


def _travelled(source: str, sent: Transmission | None) -> Iterator[str]:
    """Numbers of one source only: another clearinghouse counts from 1 as well."""
    if sent is not None and sent.group:
        yield f"group:{source}/{sent.group.lstrip('0')}"
    if sent is not None and sent.interchange:
        yield f"interchange:{source}/{sent.interchange.lstrip('0')}"
