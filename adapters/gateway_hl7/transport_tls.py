"""TLS of the listener: its certificate, the authorities of its clients, and whom of them it refuses all the same."""

from __future__ import annotations

import ssl

from gateway.errors import InvalidConfiguration
from gateway.transport.revocation import Revocation
from gateway_hl7.config import Tls


def revocation(tls: Tls | None) -> Revocation | None:
    """Who judges the clients' certificates, where a list or denied serials are set up.

    Raises:
        InvalidConfiguration: a file of them cannot be used.
    """
    if tls is None or tls.client_ca is None or (tls.crl is None and tls.denied_serials is None):
        return None
    return Revocation(tls.client_ca, tls.crl, tls.denied_serials)


def context(tls: Tls | None) -> ssl.SSLContext | None:
    """The listener's own certificate and the authorities of its clients; None for plain text.

    Raises:
        InvalidConfiguration: a file of them cannot be used.
    """
    if tls is None:
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            made.load_verify_locations(tls.client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise InvalidConfiguration(
            f"The listener's certificate cannot be used: {type(error).__name__}.",
            where="tls",
            fix="Check that certificate, key and client_ca are PEM files that the gateway may read and that match.",
        ) from error
    return made
