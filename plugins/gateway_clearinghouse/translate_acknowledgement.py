"""What an interchange says: the document of a submission, or the TA1 and 999 that acknowledge one that came. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from gateway.errors import InvalidContent
from gateway.model.submission import Submission
from gateway.wire.x12_acknowledge import functional_acknowledgements, interchange_acknowledgement
from gateway.wire.x12_write import Body, TransactionSet


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What goes between an interchange's header and trailer."""

    sets: tuple[TransactionSet, ...]
    said: tuple[Body, ...]
    """What makes it another document when it changes."""
    ta1: tuple[Body, ...] = ()
    addressed: dict[str, str] = {}
    """Elements of the header that the content decides: an acknowledgement goes to whoever sent what it is about."""

    @property
    def digest(self) -> str:
        """Of all that it says."""
        return hashlib.sha256(msgspec.json.encode(self.said)).hexdigest()


def acknowledgement(submission: Submission) -> Content:
    """The TA1 and 999 that a submission owes, addressed to the sender of what they acknowledge.

    Raises:
        InvalidContent: the submission does not say what it acknowledges.
    """
    one = submission.acknowledgement
    if one is None:
        raise InvalidContent(
            "incomplete-submission", "The document needs what it acknowledges", where="TA1",
            fix="Bring the file in again.",
        )  # fmt: skip
    ta1 = (interchange_acknowledgement(one),) if one.note is not None else ()
    sets = tuple(functional_acknowledgements(one))
    said = (*ta1, *(segment for each in sets for segment in each.body))
    addressed = {
        "sender": one.receiver, "sender_qualifier": one.receiver_qualifier,
        "receiver": one.sender, "receiver_qualifier": one.sender_qualifier,
    }  # fmt: skip
    return Content(sets=sets, said=said, ta1=ta1, addressed=addressed)
