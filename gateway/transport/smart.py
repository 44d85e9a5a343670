"""Access to a FHIR server: its token endpoint, and tokens by SMART Backend Services, client secret or mutual TLS.

The assertion of SMART Backend Services is signed with RS384 or ES384, whichever the key is for; it lives for four
minutes and has an id of its own each time. A token is asked for anew before it expires and after any 401.
"""

from __future__ import annotations

import base64
import re
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwk, jwt
from pydantic import AfterValidator, Field
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.settings import Part, Secret, resolve_secret
from gateway.transport.http import COUNTS_FROM, Answer, HttpClient, is_loopback
from gateway.transport.kept_key import KeptSecret
from gateway.wire.json_decoder import decoder

WELL_KNOWN = ".well-known/smart-configuration"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALIVE = 240
"""Seconds an assertion is good for; the standard allows 300."""
_EARLY = 30
"""Seconds before its end that a token is replaced."""
_BRIEF = 300
"""Seconds a token is taken to live when the server does not say."""
_TOLERATED = 10.0
"""Seconds by which a server's clock may differ before an assertion is dated by it."""
_REFUSALS = frozenset({
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope",
})  # fmt: skip
"""Errors of RFC 6749, section 5.2."""
_SCOPE = re.compile(r"(system|user|patient)/([A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(?:\?.*)?")
_log = structlog.get_logger(__name__)


def _server(address: str) -> str:
    url = URL(address)
    if url.user or url.query_string or url.fragment or not url.host:
        raise ValueError("is not the address of a server")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url)):
        raise ValueError("must be https; plain http is for a simulator on this machine only")
    return address.rstrip("/")


Server = Annotated[str, AfterValidator(_server)]


class SmartAccount(Part):
    """How to get in at a server."""

    auth: Literal["smart", "client-secret", "mutual-tls", "none"] = Field(
        "smart", description="smart: private_key_jwt of SMART Backend Services; none is for a simulator only."
    )
    client_id: str | None = Field(None, description="The id under which the server's operator registered us.")
    private_key: Secret | None = Field(
        None, description="Reference to our private key in PEM (RSA for RS384, P-384 for ES384), for auth = smart."
    )
    key_id: str | None = Field(None, description="kid of that key, as registered; its RFC 7638 thumbprint if not set.")
    client_secret: Secret | None = Field(None, description="Reference to the secret, for auth = client-secret.")
    certificate: Path | None = Field(None, description="Our certificate chain in PEM, for auth = mutual-tls.")
    certificate_key: Path | None = Field(None, description="Its private key in PEM, for auth = mutual-tls.")
    ca_file: Path | None = Field(
        None, description="PEM file of the authorities to trust instead of the system's: a hospital often has its own."
    )
    token_url: Server | None = Field(
        None, description="Token endpoint; taken from .well-known/smart-configuration when not set."
    )

    allow_private: bool = Field(
        default=False, description="Whether the server may have an address of the house's own network."
    )

    def must_enter(self, base: str) -> None:
        """Whether what is set is enough to get in at ``base``; ``ValueError`` says what is lacking."""
        every: dict[str, dict[str, object]] = {
            "smart": {"client_id": self.client_id, "private_key": self.private_key},
            "client-secret": {"client_id": self.client_id, "client_secret": self.client_secret},
            "mutual-tls": {"certificate": self.certificate, "certificate_key": self.certificate_key},
            "none": {},
        }
        lacking = [name for name, value in every[self.auth].items() if value is None]
        if lacking:
            raise ValueError(f"auth = {self.auth} needs {' and '.join(lacking)}")
        if self.auth == "none" and not is_loopback(URL(base)):
            raise ValueError("auth = none is for a simulator on this machine only")

    @property
    def asks_for_tokens(self) -> bool:
        """Whether a token is needed, beside a certificate or without one."""
        return self.auth not in ("none", "mutual-tls") or self.token_url is not None


class SmartConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What ``.well-known/smart-configuration`` says, as far as it is used."""

    token_endpoint: str | None = None
    algorithms: tuple[str, ...] = msgspec.field(default=(), name="token_endpoint_auth_signing_alg_values_supported")
    methods: tuple[str, ...] = msgspec.field(default=(), name="token_endpoint_auth_methods_supported")
    capabilities: tuple[str, ...] = ()


class _Token(msgspec.Struct, frozen=True, kw_only=True):
    access_token: str
    expires_in: float | str = _BRIEF
    """Seconds; some servers write the number as a string."""
    scope: str | None = None

    @property
    def lives(self) -> float:
        """Seconds it is good for."""
        text = str(self.expires_in)
        return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) else _BRIEF


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


_token = decoder(_Token)
_refusal = decoder(_Refusal)
smart_configuration = decoder(SmartConfiguration)


class SigningKey:
    """Our private key: signs assertions, and shows its public half for registration."""

    def __init__(self, pem: str, key_id: str | None) -> None:
        self._key: jwk.RSAKey | jwk.ECKey
        try:
            found = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            found = None
        if isinstance(found, RSAPrivateKey) and found.key_size >= 2048:
            self._key, self.algorithm = jwk.RSAKey.import_key(pem), "RS384"
        elif isinstance(found, EllipticCurvePrivateKey) and found.curve.name == "secp384r1":
            self._key, self.algorithm = jwk.ECKey.import_key(pem), "ES384"
        else:
            raise InvalidConfiguration(
                "The private key is neither an RSA key of 2048 bits or more nor one of the curve P-384 in PEM",
                where="private_key", fix="Make one with `openssl ecparam -name secp384r1 -genkey -noout`.",
            )  # fmt: skip
        self.thumbprint = self._key.thumbprint()
        self.key_id = key_id or self.thumbprint

    def assertion(self, client_id: str, audience: str, now: float) -> str:
        """A signed statement of who we are, good once."""
        header = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT"}
        claims = {
            "iss": client_id, "sub": client_id, "aud": audience, "exp": int(now) + _ALIVE, "iat": int(now),
            "jti": str(uuid.uuid4()),
        }  # fmt: skip
        return jwt.encode(header, claims, self._key, algorithms=[self.algorithm])

    def jwks(self) -> dict[str, Any]:
        """The public key as the JWK set to register."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}]}


def signing_key(config: SmartAccount) -> SigningKey:
    """The configured key; raises ``InvalidConfiguration`` when there is none that can be used."""
    if config.private_key is None:
        raise InvalidConfiguration("No private key is configured", where="private_key", fix="Name one by reference.")
    return SigningKey(resolve_secret(config.private_key), config.key_id)


class Token:
    """The bearer token of one server: a :class:`gateway.transport.http.Credential`."""

    def __init__(
        self,
        client: HttpClient,
        config: SmartAccount,
        endpoint: URL,
        scopes: tuple[str, ...],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._config = config
        self._endpoint = endpoint
        self._scopes = scopes
        self._now = now
        if config.auth == "smart":
            signing_key(config)  # an unusable key is told now
        self._secret = KeptSecret(config.client_secret) if config.client_secret else None
        self._text: str | None = None
        self._until = 0.0
        self._early = 0.0
        self.granted: str | None = None
        """The scope the server granted, which may be narrower than what was asked for."""

    async def headers(self) -> Mapping[str, str]:
        """The token, asked for anew when it is about to expire."""
        if self._text is None or self._now() >= self._until:
            await self._renew()
        return {"Authorization": f"Bearer {self._text}"}

    def refused(self) -> bool:
        """Throw the token away; the next attempt asks for another."""
        self._text = None
        return True

    async def _renew(self) -> None:
        answer = await self._asked()
        early = self._client.skew or 0.0
        if answer.status != 200 and self._config.auth == "smart" and abs(early - self._early) > _TOLERATED:
            self._early = early  # by the server's clock our assertion was over, or lived too long
            answer = await self._asked()
        if answer.status != 200:
            raise self._no_token(answer.body)
        try:
            found = _token(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SourceUnavailable("The token endpoint answers no token", where=str(self._endpoint.host)) from None
        if found.scope != self.granted and (missing := lacking(self._scopes, found.scope or "")):
            _log.warning("scope not granted", host=self._endpoint.host, absent=" ".join(missing))
        self._text, self.granted = found.access_token, found.scope
        self._until = self._now() + max(found.lives - _EARLY, 1.0)

    async def _asked(self) -> Answer:
        form, headers = self._form()
        return await self._client.request("POST", self._endpoint, expect=(200, 400, 401), form=form, headers=headers)

    def _no_token(self, body: bytes) -> SourceUnavailable:
        """Why, as far as OAuth has a word for it; the server's own text is not shown."""
        try:
            code = _refusal(body).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            code = ""
        why = f" ({code})" if code in _REFUSALS else ""
        fix = (
            "Check client_id, key or secret, scopes, and that our public key is registered; a new one counts"
            f" {COUNTS_FROM}."
        )
        if code == "invalid_scope":
            fix = "Set scopes to those that the server's operator registered for us."
        error = SourceUnavailable(f"The server gives us no access token{why}", where=self._endpoint.host or "", fix=fix)
        error.refused = True
        return error

    def _form(self) -> tuple[dict[str, str], dict[str, str]]:
        form = {"grant_type": "client_credentials", "scope": " ".join(self._scopes)}
        client_id = self._config.client_id or ""
        headers = {"Accept": "application/json"}
        if self._config.auth == "smart":
            key = signing_key(self._config)  # read for each token: a key that was replaced signs the next one
            form |= {"client_assertion_type": _ASSERTION}
            form |= {"client_assertion": key.assertion(client_id, str(self._endpoint), self._now() + self._early)}
        elif self._config.auth == "client-secret":
            secret = self._secret.now() if self._secret else ""
            pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode("ascii")
            headers["Authorization"] = f"Basic {pair}"
        else:
            form["client_id"] = client_id
        return form, headers


def tls(config: SmartAccount) -> ssl.SSLContext | None:
    """The context that trusts the configured authorities and shows our certificate; None for the system's own.

    Raises:
        InvalidConfiguration: a file of them cannot be used.
    """
    if config.auth != "mutual-tls" and config.ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=None if config.ca_file is None else str(config.ca_file))
    except (OSError, ssl.SSLError):
        raise InvalidConfiguration(
            "The file of trusted authorities cannot be read", where="ca_file", fix="Name a readable PEM file."
        ) from None
    if config.auth != "mutual-tls" or config.certificate is None:
        return context
    try:
        context.load_cert_chain(config.certificate, config.certificate_key)
    except (OSError, ssl.SSLError) as error:
        problem = f"The client certificate cannot be used: {type(error).__name__}"
        raise InvalidConfiguration(problem, where="certificate", fix="Name PEM files that belong together.") from None
    return context


async def token_endpoint(client: HttpClient, config: SmartAccount, base: str) -> tuple[URL, SmartConfiguration]:
    """Where tokens are given out; the configured address wins over what the server says."""
    if config.token_url is not None:
        return URL(config.token_url), SmartConfiguration()
    found = await client.get(URL(base) / WELL_KNOWN, smart_configuration)
    if found.token_endpoint is None:
        raise InvalidConfiguration(
            "The server names no token endpoint", where=WELL_KNOWN, fix="Set token_url to what its operator documents."
        )
    return _named(found.token_endpoint, URL(base)), found


def _named(address: str, base: URL) -> URL:
    """A token endpoint that the server names: over TLS, and on this machine only where the server is there too."""
    try:
        url = URL(address)
        usable = url.user is None and bool(url.origin().host)
    except ValueError:
        url, usable = base, False
    if not usable or (not is_loopback(base) and (url.scheme != "https" or is_loopback(url))):
        raise InvalidConfiguration(
            "The server names a token endpoint that cannot be used", where=WELL_KNOWN,
            fix="Set token_url to what its operator documents.",
        )  # fmt: skip
    return url


def lacking(wanted: Sequence[str], granted: str) -> list[str]:
    """The scopes of ``wanted`` that ``granted`` does not cover, in either version; none where it says nothing.

    Names of another form are not compared: what a server makes of them is its own.
    """
    given = [_access(one) for one in granted.split()]
    if not given:
        return []
    missing = []
    for scope in wanted:
        level, type, asked = _access(scope)
        every = type == "*"  # asked for as what is held: some of it is all that there is to be had
        got = {letter for one, of, may in given if one == level and (every or of in (type, "*")) for letter in may}
        if not asked <= got:
            missing.append(scope)
    return missing


def _access(scope: str) -> tuple[str, str, set[str]]:
    """Level, type and letters of a scope."""
    found = _SCOPE.fullmatch(scope)
    if found is None:
        return scope, "", set()
    level, type, may = found.groups()
    return level, type, set({"read": "rs", "write": "cud", "*": "cruds"}.get(may, may))


def letters(found: SmartConfiguration, second: str, first: str) -> str:
    """What ends a scope: ``second`` as version 2 of scopes writes it, or ``first`` where the server says only 1."""
    return first if found.capabilities and "permission-v2" not in found.capabilities else second
