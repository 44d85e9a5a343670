"""Who is who in a document: records that came by the route, and what the route's settings say of them.

A payer has an electronic id of its own at each clearinghouse, which clinics' systems seldom know; and a system that
tells of charges alone names no company that bills. Both can be said in the settings of the route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.model.coverage import Coverage
from gateway.model.exchange import Retry
from gateway.model.location import Location
from gateway.model.organization import Organization, Payer
from gateway.model.patient import Address
from gateway.model.practitioner import Practitioner
from gateway.model.submission import Submission
from gateway_clearinghouse.translate_parties import Parties, Submitter

if TYPE_CHECKING:
    from gateway_clearinghouse.config import BillingClinic, ClearinghouseConfig, Setup
    from gateway_clearinghouse.sink_memory import Memory


class Directory:
    """Everybody that a submission names."""

    def __init__(self, config: ClearinghouseConfig, setup: Setup, memory: Memory) -> None:
        self._memory = memory
        self._wait = config.directory_seconds
        self._ids = {name.strip().casefold(): id for name, id in config.payers.items()}
        self._clinic = None if config.billing is None else _organization(config.billing)
        self._submitter = Submitter(
            id=config.submitter_id, name=config.submitter_name, phone=config.submitter_phone,
            contact=config.submitter_contact, receiver_id=setup.receiver_id, receiver_name=setup.receiver_name,
            taxonomy=config.taxonomy,
        )  # fmt: skip

    def parties(self, submission: Submission) -> Parties | Retry:
        """Who the submission names; what has not come by yet is waited for."""
        memory = self._memory
        payer = self._payer(submission.payer, submission.policy)
        location = memory.find(Location, submission.location)
        billing = memory.find(Organization, location.organization if location else None) or self._billing(submission)
        practitioner = memory.find(Practitioner, submission.practitioner)
        supervisor = memory.find(Practitioner, submission.supervisor)
        decisions = (*submission.before, submission.prior) if submission.prior else ()
        priors = [self._payer(one.policy.payer, one.policy) for one in decisions]
        later = tuple(self._payer(one.payer, one) for one in submission.other_policies)
        named = [one.payer is not None for one in submission.other_policies]
        lacking = {
            "payer": payer is None,
            "organization": billing is None,
            "practitioner": submission.practitioner is not None and practitioner is None,
            "supervisor": submission.supervisor is not None and supervisor is None,
            "prior-payer": None in priors,
            "later-payer": any(told and one is None for told, one in zip(named, later, strict=True)),
        }
        if payer is None or billing is None or any(lacking.values()):
            lacks = next(name for name, gone in lacking.items() if gone)
            return Retry(f"directory-lacks-{lacks}", self._wait)
        return Parties(
            submitter=self._submitter, payer=payer, billing=billing, practitioner=practitioner, supervisor=supervisor,
            location=location, prior_payers=tuple(one for one in priors if one is not None), later_payers=later,
        )  # fmt: skip

    def _payer(self, id: str | None, policy: Coverage | None) -> Payer | None:
        """A payer under its id at this clearinghouse: as the settings have it, else as its source does.

        A policy that names no payer has the one that the settings know by the name of its plan.
        """
        if id is None:
            plan = policy.plan_name if policy else None
            own = self._listed(plan)
            return None if own is None else Payer(name=plan, payer_id=own)
        found = self._memory.find(Payer, id)
        if found is None:
            return None
        own = self._listed(found.payer_id, *(one.value for one in found.identifiers), found.name)
        return found if own is None else msgspec.structs.replace(found, payer_id=own)

    def _listed(self, *names: str | None) -> str | None:
        """What the settings say of the first of these names that they know."""
        known = (self._ids.get(name.strip().casefold()) for name in names if name)
        return next((one for one in known if one is not None), None)

    def _billing(self, submission: Submission) -> Organization | None:
        """Who bills where the location does not say: by the settings, or the only organization there is.

        A question about a claim made elsewhere is asked for whom that claim names by its NPI.
        """
        npi = submission.claim.billing_npi if submission.claim else None
        if npi is None or submission.kind != "claim-status":
            return self._clinic or self._memory.only(Organization)
        return self._memory.with_npi(npi) or Organization(name=self._submitter.name, npi=npi)


def _organization(one: BillingClinic) -> Organization:
    home = Address(lines=tuple(one.lines), city=one.city, state=one.state, postal_code=one.postal_code)
    return Organization(name=one.name, npi=one.npi, tax_id=one.tax_id, addresses=(home,))
