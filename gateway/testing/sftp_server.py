"""A real SFTP server on loopback that serves a folder, for simulators and tests, with faults to switch on."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import asyncssh


Fault = Literal["cut", "stall", "refuse", "deny-rename"]
"""The connection ends in the middle of a file; the server stops answering; a right credential is refused; files may
be read but not moved."""
_CUT_AFTER = 16 * 1024
_DEFAULT_HOST = "127.0.0.1"


class SftpServer:
    """Serves one folder to the users it knows; its host key is new with each start.

    Args:
        folder: what a client sees as ``/``.
        users: passwords by user name.
        keys: public keys in OpenSSH form that may log in, by user name.
    """

    def __init__(self, folder: Path, users: dict[str, str], keys: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.users = users
        self.keys = keys or {}
        self.port = 0
        self.host_key = ""
        """The public host key as a client pins it: ``ssh-ed25519 AAAA...``."""
        self.logins = 0
        """How many connections logged in."""
        self._faults: Counter[Fault] = Counter()
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._stalled = asyncio.Event()

    async def start(self, host: str = _DEFAULT_HOST, port: int = 0) -> int:
        """Listen, on any free port by default; returns the port."""
        import asyncssh

        key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = key.export_public_key().decode().strip()
        self._acceptor = await asyncssh.listen(
            host,
            port,
            server_factory=lambda: _gate(self),
            server_host_keys=[key],
            sftp_factory=lambda channel: _folder(channel, self),
            allow_scp=False,
        )
        self.port = self._acceptor.get_port()
        return self.port

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._stalled.set()
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Show a fault so many times from now on."""
        self._faults[fault] += times

    def takes(self, fault: Fault) -> bool:
        """Whether the fault is to be shown now; counts it."""
        if self._faults[fault] <= 0:
            return False
        self._faults[fault] -= 1
        return True

    async def stall(self) -> None:
        """Answer nothing until the server stops."""
        await self._stalled.wait()


def _gate(server: SftpServer) -> asyncssh.SSHServer:
    """Checks who logs in; the class is made on use, for loading asyncssh starts programs."""
    import asyncssh

    class Gate(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            del username  # everyone must show a credential
            return True

        def password_auth_supported(self) -> bool:
            return True

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            known = server.users.get(username)
            return let_in(known is not None and known == password)

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            known = server.keys.get(username)
            return let_in(known is not None and asyncssh.import_public_key(known) == key)

    def let_in(right: bool) -> bool:
        if not right or server.takes("refuse"):
            return False
        server.logins += 1
        return True

    return Gate()


def _folder(channel: asyncssh.SSHServerChannel[bytes], server: SftpServer) -> asyncssh.SFTPServer:
    """The folder as one client sees it."""
    import asyncssh

    class Folder(asyncssh.SFTPServer):
        async def read(self, file_obj: object, offset: int, size: int) -> bytes:
            await self._pass(offset + size)
            return cast("bytes", super().read(file_obj, offset, size))

        async def write(self, file_obj: object, offset: int, data: bytes) -> int:
            await self._pass(offset + len(data))
            return cast("int", super().write(file_obj, offset, data))

        def rename(self, oldpath: bytes, newpath: bytes) -> None:
            self._permit()
            super().rename(oldpath, newpath)

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            self._permit()
            super().posix_rename(oldpath, newpath)

        def _permit(self) -> None:
            if server.takes("deny-rename"):
                raise asyncssh.SFTPPermissionDenied("Permission denied")

        async def _pass(self, end: int) -> None:
            if server.takes("stall"):
                await server.stall()
            if end > _CUT_AFTER and server.takes("cut"):
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("Connection lost")

    return Folder(channel, chroot=str(server.folder).encode())
