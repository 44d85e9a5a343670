"""Wiring: offers the webhook sink to the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

from gateway.hookspecs import API_VERSION, OpenSink, Sink, hookimpl
from gateway.model.exchange import Delivery, SinkInfo, Target
from gateway.settings import resolve_secret
from gateway.transport.egress import Egress
from gateway_webhook.config import WebhookConfig
from gateway_webhook.sink import Endpoint
from gateway_webhook.translate import payload, signing_key


class WebhookSink:
    """Posts deliveries to an HTTPS endpoint, signed."""

    info = SinkInfo(
        name="webhook",
        version="1",
        api=API_VERSION,
        summary="Signed HTTPS POST per change (Standard Webhooks)",
        idempotency="native-key",
        residual_risk="A receiver that does not remember webhook-id may act twice when its answer is lost.",
        batch=256,
        linger=0.0,
    )
    config: type[BaseModel] = WebhookConfig

    def open(self, route: str, config: BaseModel) -> OpenSink:
        """Check the URL and read the secrets; the first connection is made with the first delivery."""
        settings = cast("WebhookConfig", config)
        place = f"routes.{route}"
        keys = tuple(signing_key(resolve_secret(secret), f"{place}.secrets") for secret in settings.secrets)
        egress = Egress(
            settings.url,
            allow_loopback=settings.allow_loopback,
            ca_file=settings.ca_file,
            connections=settings.concurrency,
            timeout=settings.timeout,
            where=f"{place}.url",
        )
        return Endpoint(egress, keys, concurrency=settings.concurrency, content=settings.payload)

    def subscribe(self, route: str, target: Target) -> OpenSink:
        """Check the URL of a client's subscription; the first connection is made with the first delivery."""
        place = f"subscription {route}"
        egress = Egress(target.url, allow_loopback=target.allow_loopback, connections=8, where=place)
        keys = tuple(signing_key(one, place) for one in target.secrets)
        return Endpoint(egress, keys, concurrency=8, content=target.content, authorization=target.authorization)

    def sample(self, delivery: Delivery, content: str) -> bytes:
        """The body that a subscription is sent."""
        return payload(delivery, content)


@hookimpl
def gateway_sinks() -> Sequence[Sink]:
    """The webhook sink."""
    return (WebhookSink(),)
