"""Rows of the Standard Extract for tests."""

from __future__ import annotations

from functools import cache

from gateway.mapping import Mapping
from gateway_webpt.config import WebptConfig
from gateway_webpt.plugin import WebptAdapter
from gateway_webpt.records import UNNAMED, Origin, cut

ADAPTER = WebptAdapter()


def config(**settings) -> WebptConfig:
    return WebptConfig.model_validate(settings)


@cache
def mapping():
    return Mapping.load(ADAPTER.mappings, None, ADAPTER.path).bind(zone="America/Chicago")


@cache
def normalize():
    return ADAPTER.normalizer(config(), mapping())


def read(text: str | bytes, origin: Origin = UNNAMED, **settings):
    """Messages and findings of a file."""
    data = text.encode() if isinstance(text, str) else text
    return list(cut([data], config(**settings), origin))


def patches(text: str | bytes, origin: Origin = UNNAMED, **settings):
    """What the rows of a file mean."""
    return [
        patch for item in read(text, origin, **settings) for patch in normalize()(item.body, item.context).patches
    ]  # fmt: skip
