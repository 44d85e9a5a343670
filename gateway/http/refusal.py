"""How a request is refused: one error with a status, told in the form of the room that was asked."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import GatewayError


class HttpRefusal(GatewayError):
    """A request that cannot be answered as it is.

    Args:
        status: HTTP status.
        code: stable word for programs.
        what: what is wrong, without a value of the request.
        where: the parameter, header or path.
        fix: what the client can do.
        headers: more headers of the answer.
    """

    def __init__(
        self, status: int, code: str, what: str, *, where: str = "", fix: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(what, where=where, fix=fix)
        self.status = status
        self.word = code
        self.headers = dict(headers or {})


def bad(what: str, where: str, fix: str = "") -> HttpRefusal:
    """400: the request itself is wrong."""
    return HttpRefusal(400, "invalid-request", what, where=where, fix=fix)


def missing(what: str = "There is nothing here that this client may see") -> HttpRefusal:
    """404: it is not there, or not for this client; which of the two is not told."""
    return HttpRefusal(404, "not-found", what)


def status_of(error: GatewayError) -> int:
    """The HTTP status of any error of the family."""
    return error.status if isinstance(error, HttpRefusal) else error.http_status


def headers_of(error: GatewayError) -> dict[str, str]:
    """More headers that go with an error."""
    if isinstance(error, HttpRefusal):
        return error.headers
    after = getattr(error, "after", None)
    return {"Retry-After": str(max(1, int(after or 2)))} if status_of(error) in {429, 503} else {}


def word_of(error: GatewayError) -> str:
    """The stable word of any error of the family."""
    return error.word if isinstance(error, HttpRefusal) else error.code
