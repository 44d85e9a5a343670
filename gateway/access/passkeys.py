"""Passkeys (WebAuthn): what is asked of an authenticator, and whether its answer is one.

A passkey alone signs in: it is found by the authenticator and not by a name, which tells nobody who has an account, and
the authenticator checks its person by PIN or finger. The address of the page is part of what is signed, so a page that
pretends to be ours gets nothing it could use here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.errors import AccessRefused, PluginFailed

SECONDS = 300
"""How long an answer may take."""
LONGEST_ID = 1023
"""Bytes of a credential's id (WebAuthn Level 3, 4)."""
_HOUSE = "EMR gateway"


class Site(NamedTuple):
    """The page that passkeys are for."""

    host: str
    """The relying party's id: passkeys that were made for another are not offered here."""
    origin: str
    """Scheme, host and port, as browsers write them."""


class Made(NamedTuple):
    """A passkey that an authenticator made."""

    credential: bytes
    public_key: bytes
    """COSE."""
    uses: int
    """What the authenticator counts; many count nothing."""


def making(site: Site, person: str, handle: bytes, challenge: bytes, known: list[bytes]) -> str:
    """The options of ``navigator.credentials.create()``, as JSON; authenticators that have one of ``known`` refuse."""
    lib = _library()
    structs = lib.helpers.structs
    required = structs.UserVerificationRequirement.REQUIRED
    options = lib.generate_registration_options(
        rp_id=site.host, rp_name=_HOUSE, user_name=person, user_id=handle, challenge=challenge, timeout=SECONDS * 1000,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one) for one in known],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED, user_verification=required
        ),
    )  # fmt: skip
    return str(lib.options_to_json(options))


def asking(site: Site, challenge: bytes) -> str:
    """The options of ``navigator.credentials.get()``, as JSON: they name nobody, so they are the same for everybody."""
    lib = _library()
    required = lib.helpers.structs.UserVerificationRequirement.REQUIRED
    options = lib.generate_authentication_options(
        rp_id=site.host, challenge=challenge, timeout=SECONDS * 1000, user_verification=required
    )
    return str(lib.options_to_json(options))


def made(site: Site, challenge: bytes, answer: dict[str, Any]) -> Made:
    """The passkey that was made, when it was made here, for this challenge, by somebody who was checked.

    Raises:
        AccessRefused: any of it is not so.
    """
    lib = _library()
    try:
        found = lib.verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=site.host, expected_origin=site.origin,
            require_user_verification=True,
        )  # fmt: skip
        return Made(bytes(found.credential_id), bytes(found.credential_public_key), int(found.sign_count))
    except Exception:  # noqa: BLE001 - the seam to the library: whatever it stumbles over is no passkey, and is not told
        raise AccessRefused("This is no passkey that was made here just now", where="credential") from None


def answered(site: Site, challenge: bytes, answer: dict[str, Any], public_key: bytes, uses: int) -> int:
    """The authenticator's new count, when the answer is signed by this passkey, here, for this challenge.

    Raises:
        AccessRefused: any of it is not so, or a count went back: two authenticators hold the same key.
    """
    lib = _library()
    try:
        found = lib.verify_authentication_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=site.host, expected_origin=site.origin,
            credential_public_key=public_key, credential_current_sign_count=uses, require_user_verification=True,
        )  # fmt: skip
        return int(found.new_sign_count)
    except Exception:  # noqa: BLE001 - the seam to the library: whatever it stumbles over is no answer, and is not told
        raise AccessRefused("This passkey did not answer here just now", where="credential") from None


def challenge_in(answer: dict[str, Any]) -> bytes:
    """The challenge an answer says it is for, which nobody has checked yet; empty when it says none."""
    lib = _library()
    try:
        told = lib.base64url_to_bytes(answer["response"]["clientDataJSON"])
        return bytes(lib.helpers.parse_client_data_json(told).challenge)
    except Exception:  # noqa: BLE001 - the seam to the library: whatever it stumbles over names no challenge
        return b""


def bytes_in(text: str) -> bytes:
    """Bytes as WebAuthn writes them in JSON; empty when they are not."""
    try:
        return bytes(_library().base64url_to_bytes(text))
    except ValueError:
        return b""


def _library() -> Any:
    try:
        import webauthn
    except ImportError:
        raise PluginFailed(
            "Passkeys need webauthn", where="people", fix="Install the gateway with the extra people."
        ) from None
    return webauthn
