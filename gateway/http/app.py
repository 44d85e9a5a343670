"""The applications of the two ports: what is public, and what this machine alone may ask."""

from __future__ import annotations

from fastapi import FastAPI

import gateway
from gateway.http.guard import App, Guard
from gateway.http.health import detailed, health
from gateway.http.hooks import hooks
from gateway.http.house import House


def public(house: House) -> App:
    """Everything partners and clients may reach."""
    app = FastAPI(
        title="EMR gateway", version=gateway.__version__, docs_url=None, redoc_url=None, openapi_url="/openapi.json"
    )
    app.include_router(health(house))
    app.include_router(hooks(house))
    return _guarded(app, house)


def admin(house: House) -> App:
    """What only this machine may ask."""
    app = FastAPI(title="EMR gateway: admin", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(detailed(house))
    return _guarded(app, house)


def _guarded(app: FastAPI, house: House) -> App:
    settings = house.settings
    secure = settings.certificate is not None or settings.tls == "proxy"
    return Guard(app, hook_bytes=settings.hook_bytes, secure=secure, most=settings.concurrency)
