"""Access to a server: discovery, and tokens by SMART Backend Services, client secret or mutual TLS.

The assertion of SMART Backend Services is signed with RS384 or ES384, whichever the key is for; it lives for four
minutes and has an id of its own each time. A token is asked for anew before it expires and after any 401.
"""

from __future__ import annotations

import base64
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwk, jwt
from yarl import URL

from gateway.errors import InvalidConfiguration, SourceUnavailable
from gateway.settings import resolve_secret
from gateway.transport.http import HttpClient
from gateway.wire.json_decoder import decoder
from gateway_fhir.config import FhirConfig
from gateway_fhir.records import Part

WELL_KNOWN = ".well-known/smart-configuration"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALIVE = 240
"""Seconds an assertion is good for; the standard allows 300."""
_EARLY = 30
"""Seconds before its end that a token is replaced."""
_BRIEF = 300
"""Seconds a token is taken to live when the server does not say."""


class SmartConfiguration(Part, frozen=True, kw_only=True):
    """What ``.well-known/smart-configuration`` says, as far as it is used."""

    token_endpoint: str | None = msgspec.field(default=None, name="token_endpoint")
    algorithms: tuple[str, ...] = msgspec.field(default=(), name="token_endpoint_auth_signing_alg_values_supported")
    methods: tuple[str, ...] = msgspec.field(default=(), name="token_endpoint_auth_methods_supported")
    capabilities: tuple[str, ...] = ()


class _Token(Part, frozen=True, kw_only=True):
    access_token: str = msgspec.field(name="access_token")
    expires_in: float = msgspec.field(default=_BRIEF, name="expires_in")
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


def signing_key(config: FhirConfig) -> SigningKey:
    """The configured key; raises ``InvalidConfiguration`` when there is none that can be used."""
    if config.private_key is None:
        raise InvalidConfiguration("No private key is configured", where="private_key", fix="Name one by reference.")
    return SigningKey(resolve_secret(config.private_key), config.key_id)


def published_keys(config: FhirConfig) -> dict[str, Any]:
    """The JWK set of the key that signs and of the further ones, each once; raises ``InvalidConfiguration``."""
    own = signing_key(config)
    further = [SigningKey(resolve_secret(one), None) for one in config.further_keys]
    others = {one.key_id: one for one in further if one.thumbprint != own.thumbprint}
    return {"keys": [jwk for one in (own, *others.values()) for jwk in one.jwks()["keys"]]}


class Token:
    """The bearer token of one server: a :class:`gateway.transport.http.Credential`."""

    def __init__(
        self,
        client: HttpClient,
        config: FhirConfig,
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


def tls(config: FhirConfig) -> ssl.SSLContext | None:
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
