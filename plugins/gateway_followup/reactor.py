"""One group for each claim number, and one for each group and interchange that claims travelled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast

import msgspec
from pydantic import BaseModel

from gateway.hookspecs import API_VERSION
from gateway.model.claim import Claim, ClaimStatusReport, Transmission
from gateway.model.exchange import Derivation, ReactorInfo, Snapshot
from gateway.model.submission import Submission
from gateway_followup.config import FollowUpConfig
from gateway_followup.translate import Facts, facts, number_of, progress, steps
from gateway_followup.translate_decided import decided, numbers
from gateway_followup.translate_second import onward
from gateway_followup.translate_wait import transmitted, wait


class FollowUps:
    """Derives ClaimProgress, FollowUps for payers, and Tasks for what does not come."""

    info = ReactorInfo(
        name="followup",
        version="3",
        api=API_VERSION,
        summary="Claims after they were sent: history, alarms, status questions, further payers",
        docs="docs/how-to/follow-claims.md",
        reads=frozenset({"Claim", "ClaimStatusReport", "ClaimPayment", "Submission", "ClaimDecision"}),
        writes=frozenset({"ClaimProgress", "FollowUp", "Task"}),
        joins=frozenset({"Submission"}),  # the claims of one visit to all its payers
    )
    config: type[BaseModel] = FollowUpConfig

    def groups(self, snapshot: Snapshot, config: BaseModel) -> Sequence[str]:
        """The claim's number, and the numbers it travelled under."""
        del config
        match snapshot.record:
            case Claim(control_number=number, transmission=sent):
                return (f"claim:{number}", *_travelled(snapshot.source, sent))
            case Submission(kind="claim") as submission:
                return tuple(f"claim:{number}" for number in numbers(submission))
            case ClaimStatusReport(report="TA1" | "997" | "999", about=sent):
                return tuple(_travelled(snapshot.source, sent))
        named = number_of(snapshot)
        return (f"claim:{named}",) if named else ()

    def derive(self, key: str, members: Sequence[Snapshot], config: BaseModel, now: datetime) -> Derivation:
        """What follows for one claim, or for what travelled together."""
        settings = cast("FollowUpConfig", config)
        kind, _, number = key.partition(":")
        if kind != "claim":
            waiting = transmitted(key, members, settings, now)
            return Derivation(records=waiting.records, again=waiting.again)
        chain = _chain(number, members)
        next_ = onward(chain, settings, now)
        at, known = next((at, known) for at, known in enumerate(chain) if known.number == number)
        known = msgspec.structs.replace(known, made=next_.made.get(number))
        history = steps(known)
        waiting = wait(known, history, settings, now)
        standing = decided(known, at, settings)
        forwarded = standing[max(standing)].forwarded_to if standing else None
        stands = progress(known, history, waiting.asked, forwarded)
        records = (*([stands] if stands else []), *waiting.records)
        if at:  # what follows for further payers is derived with the claim to the first
            return Derivation(records=records, again=waiting.again)
        again = min((one for one in (waiting.again, next_.again) if one), default=None)
        return Derivation(records=(*records, *next_.records), again=again)


def _chain(number: str, members: Sequence[Snapshot]) -> list[Facts]:
    """What is known of a claim and of those made of it for further payers, in the order their payers pay."""
    made = (one.record for one in members if not one.removed and isinstance(one.record, Submission))
    found = next((all_ for one in made if one.kind == "claim" and number in (all_ := numbers(one))), (number,))
    return [facts(one, members) for one in found]


def _travelled(source: str, sent: Transmission | None) -> Iterator[str]:
    """Numbers of one source only: another clearinghouse counts from 1 as well."""
    if sent is not None and sent.group:
        yield f"group:{source}/{sent.group.lstrip('0')}"
    if sent is not None and sent.interchange:
        yield f"interchange:{source}/{sent.interchange.lstrip('0')}"
