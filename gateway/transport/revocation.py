"""Client certificates that are refused although their authority signed them: its revocation list, and denied serials.

Both are files that are read again when they change, so that nobody waits for a restart. A file that cannot be used any
more leaves the last good one in force: a copy that was cut short must let nobody in whom the one before kept out.

RFC 5280: a list counts for the certificates of the issuer that signed it (5.1), until its next update is due, and not
at all when it holds a critical extension that is not understood (5.2), as those of partial and indirect lists are.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from gateway.errors import InvalidConfiguration

RENEW_SECONDS = 1.0
_MOST_BYTES = 64 * 2**20
_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_Stamp = tuple[int, int, int]

log = structlog.get_logger(__name__)


class Revocation:
    """Judges the certificates of one listener's clients.

    Args:
        authorities: PEM file with the authorities that sign client certificates.
        lists: PEM or DER file with their revocation lists; then an authority without a list is believed nothing.
        denied: text file with one serial number in hexadecimal digits per line; ``#`` begins a remark.

    Raises:
        InvalidConfiguration: a file cannot be read, is not what it should be, or was not signed by an authority.
    """

    def __init__(self, authorities: Path, lists: Path | None, denied: Path | None) -> None:
        self._authorities = authorities
        self._files = {name: path for name, path in (("crl", lists), ("denied_serials", denied)) if path is not None}
        self._seen: dict[str, _Stamp | None] = {}
        self._lists: dict[x509.Name, x509.CertificateRevocationList] = {}
        self._denied: frozenset[int] = frozenset()
        for name in self._files:
            self._seen[name] = _stamp(self._files[name])
            self._read(name)

    def refusal(self, certificate: bytes, now: datetime | None = None) -> str:
        """Why a certificate (DER) is refused, in a word; empty when it is not."""
        try:
            shown = x509.load_der_x509_certificate(certificate)
        except ValueError:
            return "unreadable"
        if shown.serial_number in self._denied:
            return "serial-denied"
        if "crl" not in self._files:
            return ""
        found = self._lists.get(shown.issuer)
        if found is None:
            return "issuer-without-list"
        due = found.next_update_utc
        if due is not None and due < (now or datetime.now(UTC)):
            return "list-overdue"
        return "" if found.get_revoked_certificate_by_serial_number(shown.serial_number) is None else "revoked"

    def renew(self) -> bool:
        """Read again what has changed; whether anything has. A file that cannot be used is told once and not taken."""
        renewed = False
        for name, path in self._files.items():
            stamp = _stamp(path)
            if stamp != self._seen[name]:
                self._seen[name] = stamp
                try:
                    self._read(name)
                except InvalidConfiguration as error:
                    log.error("revocation-not-renewed", what=f"{error.what}: {error.where}")  # noqa: TRY400 - a traceback adds nothing
                else:
                    renewed = True
        return renewed

    async def watch(self, changed: Callable[[], None]) -> None:
        """Renew until cancelled; ``changed`` is called after each change."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if await asyncio.to_thread(self.renew):
                log.info("revocation-renewed")
                changed()

    def _read(self, name: str) -> None:
        path = self._files[name]
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                raise _unusable(name, f"is longer than {_MOST_BYTES} bytes")
            if name == "crl":
                self._lists = self._signed_lists(data)
            else:
                self._denied = _serials(data)
        except OSError as error:
            raise _unusable(name, f"cannot be read: {type(error).__name__}") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _unusable(name, f"is not what it should be: {type(error).__name__}") from None

    def _signed_lists(self, data: bytes) -> dict[x509.Name, x509.CertificateRevocationList]:
        signers = x509.load_pem_x509_certificates(self._authorities.read_bytes())
        blocks = _LIST.findall(data)
        lists = [x509.load_pem_x509_crl(block) for block in blocks] or [x509.load_der_x509_crl(data)]
        found: dict[x509.Name, x509.CertificateRevocationList] = {}
        for one in lists:
            if any(extension.critical for extension in one.extensions):
                raise _unusable("crl", "holds a partial or an indirect list")
            if not any(_is_signed(one, signer) for signer in signers if signer.subject == one.issuer):
                raise _unusable("crl", "holds a list that no authority of client_ca has signed")
            before = found.get(one.issuer)
            if before is None or before.last_update_utc < one.last_update_utc:
                found[one.issuer] = one
        return found


def _is_signed(one: x509.CertificateRevocationList, signer: x509.Certificate) -> bool:
    try:
        return one.is_signature_valid(signer.public_key())  # type: ignore[arg-type]  # kinds of keys that sign nothing raise
    except (InvalidSignature, TypeError):
        return False


def _serials(data: bytes) -> frozenset[int]:
    lines = (line.split("#", 1)[0] for line in data.decode("utf-8").splitlines())
    return frozenset(int(re.sub(r"[\s:]", "", line), 16) for line in lines if line.strip())


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unusable(name: str, why: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"The file of {name} {why}",
        where=f"tls.{name}",
        fix="Ask the authority for its full revocation list." if name == "crl" else "Write one hex serial per line.",
    )
