"""Access to a FHIR server: its token endpoint, and tokens by SMART Backend Services, client secret or mutual TLS.

The assertion of SMART Backend Services is signed with RS384 or ES384, whichever the key is for; it lives for four
minutes and has an id of its own each time. A token is asked for anew before it expires and after any 401.
"""

from __future__ import annotations

import base64
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwk, jwt
from pydantic import AfterValidator, Field
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.settings import Part, Secret, resolve_secret
from gateway.transport.http import HttpClient, is_loopback
from gateway.wire.json_decoder import decoder

WELL_KNOWN = ".well-known/smart-configuration"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALIVE = 240
"""Seconds an assertion is good for; the standard allows 300."""
_EARLY = 30
"""Seconds before its end that a token is replaced."""
_BRIEF = 300
"""Seconds a token is taken to live when the server does not say."""


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
    expires_in: float = _BRIEF
    scope: str | None = None


_token = decoder(_Token)
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
        self._secret = resolve_secret(config.client_secret) if config.client_secret else ""
        self._text: str | None = None
        self._until = 0.0
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
        form, headers = self._form()
        answer = await self._client.request("POST", self._endpoint, expect=(200, 400, 401), form=form, headers=headers)
        if answer.status != 200:
            raise SourceUnavailable(
                "The server gives us no access token", where=str(self._endpoint.host),
                fix="Check client_id, key or secret, scopes, and that our public key is registered.",
            )  # fmt: skip
        try:
            found = _token(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SourceUnavailable("The token endpoint answers no token", where=str(self._endpoint.host)) from None
        self._text, self.granted = found.access_token, found.scope
        self._until = self._now() + max(found.expires_in - _EARLY, 1.0)

    def _form(self) -> tuple[dict[str, str], dict[str, str]]:
        form = {"grant_type": "client_credentials", "scope": " ".join(self._scopes)}
        client_id = self._config.client_id or ""
        headers = {"Accept": "application/json"}
        if self._config.auth == "smart":
            key = signing_key(self._config)  # read for each token: a key that was replaced signs the next one
            form |= {"client_assertion_type": _ASSERTION}
            form |= {"client_assertion": key.assertion(client_id, str(self._endpoint), self._now())}
        elif self._config.auth == "client-secret":
            pair = base64.b64encode(f"{client_id}:{self._secret}".encode()).decode("ascii")
            headers["Authorization"] = f"Basic {pair}"
        else:
            form["client_id"] = client_id
        return form, headers


def tls(config: SmartAccount) -> ssl.SSLContext | None:
    """The context that shows our certificate, for auth = mutual-tls."""
    if config.auth != "mutual-tls" or config.certificate is None:
        return None
    context = ssl.create_default_context()
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


def letters(found: SmartConfiguration, second: str, first: str) -> str:
    """What ends a scope: ``second`` as version 2 of scopes writes it, or ``first`` where the server says only 1."""
    return first if found.capabilities and "permission-v2" not in found.capabilities else second
