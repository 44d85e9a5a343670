"""Every error of the gateway, on one page, grouped by what the caller must do next.

Three families: ``RetryLater`` (nothing is wrong with the message, ask again), ``RejectMessage`` (this message cannot
proceed as it is; everything else goes on) and ``Stop`` (a person must act before work goes on). What is said to a peer
follows from the type: ``hl7_ack`` is the acknowledgement code of HL7 table 0008, ``http_status`` the answer over HTTP.

An error says what happened, where, and how to fix it. It never carries a value from a message: places are named by
segment, field, path, line or byte offset, and values only by their length or their code's name.
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """The root of the family; never raised itself.

    Args:
        what: what happened, in one sentence without any value from a message.
        where: the place: ``PID-7``, ``line 12``, ``byte 340``, ``routes[2].sink``; empty when the whole is meant.
        fix: what a person can do about it; empty when there is nothing to do but wait.
    """

    code: ClassVar[str] = "error"
    hl7_ack: ClassVar[str] = "AE"
    http_status: ClassVar[int] = 500

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        cure = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.what}{place}.{cure}"


# --- Retry later: the message is fine, the moment is not -------------------------------------------------------------


class RetryLater(GatewayError):
    """Nothing is lost and nothing is wrong with the message; the same request may succeed later.

    ``after`` is the least number of seconds to wait, when the peer named one.
    """

    code = "retry-later"
    http_status = 503

    def __init__(self, what: str, *, where: str = "", fix: str = "", after: float | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.after = after


class StoreUnavailable(RetryLater):
    """The store cannot commit (disk full, I/O error, connection lost): nothing may be acknowledged."""

    code = "store-unavailable"


class PageUnreadable(StoreUnavailable):
    """A page of the store's file is not given back by the disk, or is not as it was written: the rest goes on."""

    code = "page-unreadable"


class KeysUnavailable(RetryLater):
    """The key provider does not answer: reads fail closed until it does."""

    code = "keys-unavailable"


class SourceUnavailable(RetryLater):
    """A vendor's system refused, timed out or answered something that is not its own protocol.

    ``refused``: it was reached and would not answer this request (HTTP 4xx), so the same one will hardly succeed.
    """

    code = "source-unavailable"
    refused = False


class RateLimited(SourceUnavailable):
    """The vendor's request budget is used up until ``after`` seconds from now."""

    code = "rate-limited"
    http_status = 429


class DescriptorsExhausted(RetryLater):
    """This process may open no further file or connection: what needs one waits."""

    code = "descriptors-exhausted"


class Backpressure(RetryLater):
    """The gateway has more unsettled work than it may hold; the peer must wait."""

    code = "backpressure"
    http_status = 429


# --- Reject this message: everything else goes on --------------------------------------------------------------------


class RejectMessage(GatewayError):
    """This message cannot proceed as it is. ``reason`` is a stable word that tables, tests and the console use."""

    code = "reject"
    http_status = 422

    def __init__(self, reason: str, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.reason = reason


class MalformedEnvelope(RejectMessage):
    """Header or framing bytes alone show that this cannot be read: the peer gets AR (or 400) and evidence is kept."""

    code = "malformed-envelope"
    hl7_ack = "AR"
    http_status = 400


class LimitExceeded(RejectMessage):
    """The input is larger, deeper or longer than the limits allow."""

    code = "limit-exceeded"
    hl7_ack = "AR"
    http_status = 413


class InvalidContent(RejectMessage):
    """The message was stored and acknowledged, but a field's content cannot be translated: it waits in quarantine."""

    code = "invalid-content"
    hl7_ack = "AA"


# --- Stop: a person must act -----------------------------------------------------------------------------------------


class Stop(GatewayError):
    """Work cannot go on before a person has acted."""

    code = "stop"


class InvalidConfiguration(Stop):
    """``gateway.toml``, a mapping or an overlay is not usable."""

    code = "invalid-configuration"


class PluginFailed(Stop):
    """A configured plugin is missing, fails to import, is misspelt or is too old."""

    code = "plugin-failed"


class StoreIncompatible(Stop):
    """The database engine or the schema is older or newer than this code can use safely."""

    code = "store-incompatible"


class IntegrityViolated(Stop):
    """Stored data, keys or the audit log do not match what was written."""

    code = "integrity-violated"


class AccessRefused(Stop):
    """A sealed value was asked for without a committed access entry that names it, or without the right to it."""

    code = "access-refused"
    http_status = 403


class Shredded(AccessRefused):
    """What opens a sealed value was destroyed on purpose: the patient was shredded, or its time to be kept is over."""

    code = "shredded"
    http_status = 410
