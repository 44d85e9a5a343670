"""Telling a witness by C2SP's tlog-witness, and asking it for the newest head it keeps."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Sequence

from yarl import URL

from gateway.errors import IntegrityViolated, InvalidConfiguration, SourceUnavailable
from gateway.model.exchange import RateBudget, SignedHead
from gateway.transport.http import Answer, HttpClient, HttpLimits
from gateway_witness_http.config import HttpWitnessConfig

BUDGET = RateBudget(requests=4, seconds=1.0)
LIMITS = HttpLimits(connect=5.0, total=10.0, max_bytes=65_536, attempts=2)


class RemoteWitness:
    """One witness; what it keeps is remembered by log, and asked again whenever it disagrees."""

    def __init__(self, name: str, config: HttpWitnessConfig) -> None:
        self._where = f"witnesses.{name}.url"
        self._url = URL(config.url)
        self._tls = None if config.ca_file is None else _tls(config.ca_file, self._where)
        self._allow_private = config.allow_private
        self._client()  # refuses an address that is neither https nor this machine, or not public
        self._kept: dict[str, int] = {}

    async def keep(self, head: SignedHead) -> None:
        """Tell the head with its proof; a witness that keeps another size is told from there."""
        old = self._kept.get(head.origin, 0)
        answer = await self._add(head, old)
        if answer.status == 409:
            old = _size(answer.body)
            if old > head.size:
                raise self._disagrees(f"The witness has seen {old} entries of this log, and {head.size} are there")
            answer = await self._add(head, old)
        if answer.status == 422:
            raise self._disagrees("The witness keeps a head that this log does not continue")
        if answer.status != 200:
            raise SourceUnavailable(
                f"The witness answered status {answer.status}", where=self._where,
                fix="Pin the log's key there: `gateway audit keys`.",
            )  # fmt: skip
        self._kept[head.origin] = head.size

    async def heads(self, origin: str) -> Sequence[str]:
        """The newest head it keeps of one log."""
        async with self._client() as client:
            asked = self._url.joinpath("newest").with_query(origin=origin)
            answer = await client.request("GET", asked, expect={200, 404})
        return [answer.body.decode("utf-8", errors="replace")] if answer.status == 200 else []

    async def _add(self, head: SignedHead, old: int) -> Answer:
        proof = head.prove(old) if 0 < old < head.size else ()
        lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof), "", head.note]
        async with self._client() as client:
            return await client.request(
                "POST", self._url.joinpath("add-checkpoint"), expect={200, 400, 403, 404, 409, 422},
                json="\n".join(lines).encode(),
            )  # fmt: skip

    def _client(self) -> HttpClient:
        return HttpClient(
            [str(self._url)], budget=BUDGET, limits=LIMITS, tls=self._tls, allow_private=self._allow_private
        )

    def _disagrees(self, what: str) -> IntegrityViolated:
        return IntegrityViolated(
            what, where=self._where, fix="Run `gateway verify audit`; somebody rewrote or rolled back the log."
        )


def _size(body: bytes) -> int:
    text = body.decode("ascii", errors="replace").strip()
    if not text.isdecimal() or len(text) > 18:
        raise SourceUnavailable("The witness answered 409 without the size it keeps")
    return int(text)


def _tls(ca_file: object, where: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError):
        raise InvalidConfiguration(
            "The file of trusted authorities cannot be read", where=where, fix="Name a readable PEM file in ca_file."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
