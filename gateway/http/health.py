"""Health: one word for everybody, the figures for this machine alone."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gateway.http.house import House


def health(house: House) -> APIRouter:
    """``GET /health`` of the public port: 200 while the gateway can store, 503 when it cannot."""
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="Whether the gateway can store", responses={503: {"description": "It cannot"}})
    async def look(response: Response) -> dict[str, str]:
        response.status_code = 200 if house.store.healthy else 503
        return {"status": "ok" if house.store.healthy else "unavailable"}

    return router


def detailed(house: House) -> APIRouter:
    """``GET /health`` of the admin port: the same with figures."""
    router = APIRouter()

    @router.get("/health")
    async def look(response: Response) -> dict[str, str | int]:
        response.status_code = 200 if house.store.healthy else 503
        return {
            "status": "ok" if house.store.healthy else "unavailable",
            "unsettled_messages": house.unsettled(),
            "hooks": len(house.hooks),
        }

    return router
