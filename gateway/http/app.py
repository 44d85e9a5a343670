"""The applications of the two ports: what is public, and what this machine alone may ask."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import gateway
from gateway.errors import GatewayError
from gateway.http.admin_audit import examined
from gateway.http.admin_door import ENTERED, AdminDoor, check_table
from gateway.http.admin_oidc import oidc
from gateway.http.admin_pages import pages
from gateway.http.admin_passkeys import passkeys
from gateway.http.admin_rooms import emergency, opened_rooms, rooms
from gateway.http.admin_sign_in import sign_in
from gateway.http.door import Door
from gateway.http.feed import feed
from gateway.http.fhir import FHIR, refused_as
from gateway.http.fhir_export import export
from gateway.http.fhir_facade import answer, facade
from gateway.http.fhir_index import SearchIndex
from gateway.http.fhir_origins import origins
from gateway.http.guard import App, Guard
from gateway.http.health import detailed, health
from gateway.http.hooks import hooks
from gateway.http.house import House
from gateway.http.oauth import OAuthRefusal, oauth
from gateway.http.proxies import Proxies
from gateway.http.records import records
from gateway.http.refusal import HttpRefusal, bad, headers_of, missing, status_of, word_of
from gateway.http.samples import samples
from gateway.http.subscribing import fhir_subscriptions, hooks_of_clients

SUMMARY = "Records of many systems as one feed. Every answer holds the fields that the client's view grants, no others."


def public(house: House, index: SearchIndex) -> App:
    """Everything partners and clients may reach."""
    app = FastAPI(
        title="EMR gateway", version=gateway.__version__, summary=SUMMARY, docs_url=None, redoc_url=None,
        openapi_url="/openapi.json", separate_input_output_schemas=False,
    )  # fmt: skip
    app.state.door = door = Door(house)
    app.include_router(health(house))
    app.include_router(hooks(house))
    app.include_router(oauth(house, door))
    app.include_router(export(house))
    app.include_router(origins(house))
    app.include_router(fhir_subscriptions(house))
    app.include_router(facade(house, index))
    app.include_router(hooks_of_clients(house))
    app.include_router(samples(house))
    app.include_router(feed(house))
    app.include_router(records(house))
    _tell(app)
    return _guarded(app, house)


def admin(house: House) -> App:
    """What only this machine may ask."""
    app = admin_app(house)
    check_table(app.routes)
    return _guarded(app, house)


def admin_app(house: House) -> FastAPI:
    """The same before anything stands around it: its routes can be listed."""
    app = FastAPI(title="EMR gateway: admin", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[ENTERED])
    app.state.admin_door = door = AdminDoor(house)
    app.include_router(detailed(house))
    app.include_router(pages())
    app.include_router(sign_in(door))
    app.include_router(passkeys(house, door))
    app.include_router(oidc(house, door))
    app.include_router(rooms(house))
    app.include_router(opened_rooms(house))
    app.include_router(emergency(house))
    app.include_router(examined(house))
    _tell(app)
    return app


def _guarded(app: FastAPI, house: House) -> App:
    settings = house.settings
    secure = settings.certificate is not None or settings.tls == "proxy"
    proxies = Proxies(settings.trusted_proxies, settings.proxy_header)
    return Guard(app, hook_bytes=settings.hook_bytes, secure=secure, proxies=proxies, most=settings.concurrency)


def _tell(app: FastAPI) -> None:
    """Every error leaves in the form of the room that was asked, with what, where and how to mend it."""

    @app.exception_handler(GatewayError)
    async def refused(request: Request, error: GatewayError) -> Response:
        return told(request.url.path, error)

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        """In the same form; the door then hears of the failure, and its log says where."""
        return told(request.url.path, HttpRefusal(500, "failed", "The gateway failed at this request"))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        kind, *names = map(str, error.errors()[0]["loc"])
        if request.url.path.startswith(FHIR):  # the standard has 404 for an id of another form
            wrong = missing() if kind == "path" else bad("A parameter is missing or has a wrong form", ".".join(names))
            return told(request.url.path, wrong)
        where = ".".join((kind, *names))
        return told(
            request.url.path, HttpRefusal(422, "invalid-parameter", "A parameter has a wrong form", where=where)
        )

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing here", 405: "This method is not offered here"}
        what = words.get(error.status_code, "The request cannot be answered")
        return told(request.url.path, HttpRefusal(error.status_code, "not-offered", what, headers=error.headers))


def told(path: str, error: GatewayError) -> Response:
    """An error as an answer; of what the gateway itself cannot do, only the kind is told."""
    status = status_of(error)
    if isinstance(error, OAuthRefusal):
        words = " ".join(filter(None, (f"{error.what}.", error.fix)))
        return JSONResponse({"error": error.word, "error_description": words}, status, headers_of(error))
    ours = status >= 500
    if path.startswith(FHIR):
        words = "The gateway cannot answer just now" if ours else " ".join(filter(None, (f"{error.what}.", error.fix)))
        return answer(refused_as(status, words, "" if ours else error.where), status, headers_of(error))
    body = {"error": word_of(error), "what": "The gateway cannot answer just now" if ours else error.what}
    if not ours:
        body |= {name: text for name, text in (("where", error.where), ("fix", error.fix)) if text}
    return JSONResponse(body, status, headers_of(error))
