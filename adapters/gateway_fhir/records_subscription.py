"""R4 Subscriptions of type rest-hook, as we ask for them and as servers show them: plain ones and topic-based ones.

A plain one has a search as its criteria; one of the R4 backport has a topic there, and says in an extension how much a
notification carries. What was lost and what was seen of them is kept in :class:`Watched`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct
from yarl import URL

from gateway.wire.json_decoder import decoder
from gateway_fhir.records import Part

Content = Literal["empty", "id-only", "full-resource"]
LIVE = frozenset({"active", "requested"})
HIDDEN = "***"
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_JSON = "application/fhir+json"


class _Extension(Part, frozen=True, kw_only=True):
    url: str = ""
    value_code: str | None = None


class _Extended(Part, frozen=True, kw_only=True):
    extension: tuple[_Extension, ...] = ()


class _Channel(Part, frozen=True, kw_only=True):
    type: str = ""
    endpoint: str = ""
    payload: str = ""
    header: tuple[str, ...] = ()
    extended: _Extended | None = msgspec.field(default=None, name="_payload")


class Subscription(Part, frozen=True, kw_only=True):
    """One as a server shows it."""

    id: str
    status: str = ""
    criteria: str = ""
    error: str = ""
    """The server's own words for what went wrong."""
    channel: _Channel = _Channel()

    @property
    def subject(self) -> str:
        """What it is about, written one way: a topic, or a search; servers drop the question mark of an empty one."""
        return self.criteria.removesuffix("?")

    @property
    def content(self) -> str:
        """How much a notification carries."""
        told = self.channel.extended.extension if self.channel.extended else ()
        code = next((one.value_code for one in told if one.url.endswith("/backport-payload-content")), None)
        return code or ("full-resource" if self.channel.payload else "empty")

    def leads_to(self, source: str) -> bool:
        """Whether its notifications come to a gateway's source of this name, at whatever public address."""
        try:
            path = URL(self.channel.endpoint).path
        except ValueError:
            return False
        return path.rstrip("/") == f"/hooks/{source}"


class Asked(Struct, frozen=True, kw_only=True):
    """One that we want."""

    subject: str
    """A resource type, or the address of a topic."""
    endpoint: str
    content: Content
    source: str
    status: Literal["requested", "active"] = "requested"
    """The standard's word for a new one; some servers never activate what they did not get as active."""
    topic: bool = False
    heartbeat: int = 0
    """Seconds without an event after which the server says that it is still there; only of topics, 0: never."""

    def resource(self, secret: str) -> dict[str, Any]:
        """As it is sent; ``secret`` is what the server shows us with each notification."""
        channel: dict[str, Any] = {
            "type": "rest-hook", "endpoint": self.endpoint, "header": [f"Authorization: Bearer {secret}"],
        }  # fmt: skip
        if self.topic or self.content != "empty":
            channel["payload"] = _JSON
        made: dict[str, Any] = {
            "resourceType": "Subscription", "status": self.status, "reason": f"EMR gateway, source {self.source}",
            "criteria": self.subject if self.topic else f"{self.subject}?", "channel": channel,
        }  # fmt: skip
        if self.topic:
            made["meta"] = {"profile": [f"{_BACKPORT}/backport-subscription"]}
            told = {"url": f"{_BACKPORT}/backport-payload-content", "valueCode": self.content}
            channel["_payload"] = {"extension": [told]}
            if self.heartbeat:
                beat = {"url": f"{_BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": self.heartbeat}
                channel["extension"] = [beat]
        return made

    def same(self, found: Subscription) -> bool:
        """Whether one that the server has tells us of the same, at the same place."""
        return (found.subject, found.channel.endpoint) == (self.subject, self.endpoint)

    def equals(self, found: Subscription, secret: str) -> bool:
        """Whether it does so now and in the same way, as far as is shown: many servers keep headers to themselves."""
        shown = found.channel.header
        if found.status not in LIVE or (self.status == "active" and found.status != "active"):
            return False
        return self.content == found.content and (not shown or f"Authorization: Bearer {secret}" in shown)


class Watched(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known of our subscriptions at the last look."""

    live: dict[str, str] = {}
    """Subject by id of those that told us something, or were about to."""
    waiting: tuple[str, ...] = ()
    """Ids of those that were not active yet."""
    secured: dict[str, int] = {}
    """By the reference that notifications name, the last number up to which lost events were asked for."""

    @property
    def text(self) -> str:
        """As the cursor keeps it."""
        return msgspec.json.encode(self).decode()


subscription = decoder(Subscription)
watched = decoder(Watched)
