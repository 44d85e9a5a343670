"""An SFTP mailbox: files of a partner's server, listed, read in bounded pieces, put and moved: bytes, not meaning.

The server's host key is pinned: without a pinned key there is no connection, and any other key is refused before a
credential is sent. Neither ``~/.ssh`` nor an agent is consulted: what is configured is all that counts. Every wait is
bounded. Whatever the server does wrong is :class:`~gateway.errors.SourceUnavailable`: nothing is lost, it may be asked
again. Needs the extra ``sftp`` (asyncssh).
"""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.errors import InvalidConfiguration, LimitExceeded, PluginFailed, SourceUnavailable
from gateway.secret import Secret, resolve_secret
from gateway.transport.file_drop import PARTIAL

if TYPE_CHECKING:
    import asyncssh

CHUNK = 256 * 1024
_REGULAR = 1
"""SSH_FILEXFER_TYPE_REGULAR of the SFTP protocol."""
_UPLOAD = ".part"


class SftpAccount(BaseModel):
    """Where a mailbox is and how to log in; a table of an adapter's or sink's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$", description="Name or address of the SFTP server.")
    port: int = Field(22, ge=1, le=65535, description="Port of the SFTP server.")
    user: str = Field(min_length=1, max_length=128, description="User name at the server.")
    host_keys: tuple[str, ...] = Field(
        min_length=1,
        description="Host keys the server may show: 'ssh-ed25519 AAAA...' or 'SHA256:...', as its operator told you.",
    )
    password: Secret | None = Field(None, description="Reference to the password, when the server wants one.")
    private_key: Secret | None = Field(
        None, description="Reference to the private key: OpenSSH form, or PKCS#8 with a passphrase."
    )
    passphrase: Secret | None = Field(None, description="Reference to the passphrase of the private key.")
    timeout_seconds: float = Field(
        30.0, gt=0, le=600, description="Longest wait for the connection and for each step on it."
    )
    most_file_bytes: int = Field(
        4 * 1024**3, ge=1024, description="Largest file that is read; a larger one is left where it is."
    )
    most_files: int = Field(10_000, ge=1, le=100_000, description="Most files that a folder may list.")

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if self.password is None and self.private_key is None:
            raise ValueError("needs a password or a private_key to log in with")
        return self


class RemoteFile(NamedTuple):
    """One file of a listing; ``modified`` is the server's own clock in seconds since 1970."""

    folder: str
    name: str
    size: int
    modified: int

    @property
    def path(self) -> str:
        """Where it is on the server."""
        return joined(self.folder, self.name)


class SftpSession:
    """One open connection; made by :func:`connected`."""

    def __init__(self, client: asyncssh.SFTPClient, account: SftpAccount) -> None:
        self._client = client
        self._account = account

    async def files(self, folder: str, patterns: Sequence[str]) -> list[RemoteFile]:
        """Regular files whose names match a pattern, whatever their case, the oldest first.

        Names that mark an upload in progress and names a path must not hold are left out. Raises ``LimitExceeded``
        when the folder lists more files than the settings allow.
        """
        found: list[RemoteFile] = []
        seen = 0
        listing = cast("AsyncGenerator[asyncssh.SFTPName, None]", self._client.scandir(folder))
        async with self._bounded("list", folder), aclosing(listing):
            async for entry in listing:
                seen += 1
                if seen > self._account.most_files:
                    raise LimitExceeded(
                        "too-many-files", "The folder lists more files than allowed", where=folder,
                        fix="Empty it at the server, or raise most_files.",
                    )  # fmt: skip
                name, attrs = str(entry.filename), entry.attrs
                if attrs.type == _REGULAR and wanted(name, patterns):
                    found.append(RemoteFile(folder, name, attrs.size or 0, attrs.mtime or 0))
        return sorted(found, key=lambda file: (file.modified, file.name))

    async def look(self, folder: str, name: str) -> RemoteFile | None:
        """One file as it is now; None when there is none of that name. Answers whether an ambiguous upload happened."""
        import asyncssh

        async with self._bounded("look", folder):
            try:
                attrs = await self._client.stat(joined(folder, name))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return None
            return RemoteFile(folder, name, attrs.size or 0, attrs.mtime or 0)

    async def read(self, file: RemoteFile) -> AsyncGenerator[bytes, None]:
        """The bytes of a file in pieces of at most :data:`CHUNK`.

        Raises ``LimitExceeded`` before the first piece when it is larger than allowed, and ``SourceUnavailable`` after
        the last when it is not the file that was listed any more: its upload goes on, and it must be read again.
        """
        if file.size > self._account.most_file_bytes:
            raise LimitExceeded(
                "file-too-large", "The file is larger than allowed", where=file.folder, fix="Raise most_file_bytes."
            )
        count = 0
        async with self._bounded("open", file.folder):
            handle = await self._client.open(file.path, "rb", encoding=None)
        try:
            while count <= file.size:
                async with self._bounded("read", file.folder):
                    piece = cast("bytes", await handle.read(CHUNK))  # bytes, for it was opened without an encoding
                if not piece:
                    break
                count += len(piece)
                yield piece
        finally:
            async with self._bounded("close", file.folder):
                await handle.close()
        if count != file.size or await self.look(file.folder, file.name) != file:
            raise SourceUnavailable("A file changed while it was read", where=file.folder)

    async def put(self, folder: str, name: str, data: bytes) -> RemoteFile:
        """Upload under a name that marks it unfinished, check its size, then rename: nobody reads half a file.

        A file of that name is replaced: the same call may be made again after it failed.
        """
        half = joined(folder, f".{name}{_UPLOAD}")
        async with self._bounded("open", folder):
            handle = await self._client.open(half, "wb", encoding=None)
        try:
            for start in range(0, len(data), CHUNK):
                async with self._bounded("write", folder):
                    await handle.write(data[start : start + CHUNK])
        finally:
            async with self._bounded("close", folder):
                await handle.close()
        async with self._bounded("check", folder):
            stored = (await self._client.stat(half)).size
        if stored != len(data):
            raise SourceUnavailable("An upload was not stored whole", where=folder)
        await self._rename(folder, half, joined(folder, name), replace=True)
        placed = await self.look(folder, name)
        return placed or RemoteFile(folder, name, len(data), 0)

    async def archive(self, file: RemoteFile, folder: str) -> None:
        """Move a file to another folder of the server, made when it is missing; a file of that name is not replaced."""
        async with self._bounded("make folder", folder):
            await self._client.makedirs(folder, exist_ok=True)
        name, number = file.name, 1
        while await self.look(folder, name) is not None:
            number += 1
            name = f"{file.name}.{number}"
        await self._rename(file.folder, file.path, joined(folder, name), replace=False)

    async def remove(self, file: RemoteFile) -> None:
        """Delete a file; only what is stored and synced may be deleted."""
        async with self._bounded("delete", file.folder):
            await self._client.remove(file.path)

    async def _rename(self, folder: str, old: str, new: str, *, replace: bool) -> None:
        """Rename; over an existing file by OpenSSH's extension, or by deleting it first where the server lacks that."""
        import asyncssh

        async with self._bounded("rename", folder):
            if not replace:
                await self._client.rename(old, new)
                return
            try:
                await self._client.posix_rename(old, new)
            except asyncssh.SFTPOpUnsupported:
                if await self._client.exists(new):
                    await self._client.remove(new)
                await self._client.rename(old, new)

    @asynccontextmanager
    async def _bounded(self, doing: str, folder: str) -> AsyncIterator[None]:
        """A step in bounded time whose failure is the server's; the error names the folder, never a file or a value."""
        import asyncssh

        try:
            async with asyncio.timeout(self._account.timeout_seconds):
                yield
        except TimeoutError:
            raise SourceUnavailable(f"The SFTP server did not answer in time ({doing})", where=folder) from None
        except asyncssh.SFTPPermissionDenied:
            fix = "Ask the server's operator for the right to do this."
            raise SourceUnavailable(f"The SFTP server does not permit it ({doing})", where=folder, fix=fix) from None
        except (asyncssh.Error, OSError) as error:
            kind = type(error).__name__
            raise SourceUnavailable(f"The SFTP server failed ({doing}: {kind})", where=folder) from None


@asynccontextmanager
async def connected(account: SftpAccount) -> AsyncIterator[SftpSession]:
    """One logged-in connection, closed at the end.

    Raises:
        InvalidConfiguration: a pinned host key, the private key or a secret is not usable.
        SourceUnavailable: the server is not reached, shows a host key that is not pinned, or refuses the credential.
    """
    try:
        import asyncssh
    except ImportError:
        raise PluginFailed("SFTP needs asyncssh", where="sftp", fix="install the gateway with the extra sftp") from None
    place = f"{account.host}:{account.port}"
    options = _options(account)
    try:
        async with asyncio.timeout(account.timeout_seconds):
            connection = await asyncssh.connect(account.host, account.port, options=options)
            client = await connection.start_sftp_client()
    except asyncssh.HostKeyNotVerifiable:
        fix = "Compare it with what the server's operator tells you by another way; pin it in host_keys if it is right."
        raise SourceUnavailable(
            "The SFTP server shows a host key that is not pinned", where=place, fix=fix, after=60.0
        ) from None
    except asyncssh.PermissionDenied:
        fix = "Check the user and that the password or key is current."
        raise SourceUnavailable("The SFTP server refused the credential", where=place, fix=fix, after=60.0) from None
    except TimeoutError:
        raise SourceUnavailable("The SFTP server did not answer in time (connect)", where=place) from None
    except (asyncssh.Error, OSError) as error:
        raise SourceUnavailable(f"The SFTP server is not reached ({type(error).__name__})", where=place) from None
    try:
        yield SftpSession(client, account)
    finally:
        client.exit()
        connection.abort()


def _options(account: SftpAccount) -> asyncssh.SSHClientConnectionOptions:
    import asyncssh

    lines = [line for line in account.host_keys if not line.startswith("SHA256:")]
    try:
        keys = [asyncssh.import_public_key(line) for line in lines]
    except (asyncssh.KeyImportError, ValueError):
        raise InvalidConfiguration(
            "A pinned host key cannot be read", where="host_keys", fix="Write 'ssh-ed25519 AAAA...' or 'SHA256:...'."
        ) from None
    prints = {line.rstrip("=") for line in account.host_keys if line.startswith("SHA256:")}
    prints |= {key.get_fingerprint() for key in keys}

    class Pinned(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            del host, addr, port  # the key is pinned to this account, wherever its name points
            return key.get_fingerprint() in prints

    return asyncssh.SSHClientConnectionOptions(
        client_factory=Pinned,
        known_hosts=(keys, [], []),
        username=account.user,
        password=resolve_secret(account.password) if account.password else None,
        client_keys=[_private_key(account.private_key, account.passphrase)] if account.private_key else None,
        agent_path=None,
        config=[],
        preferred_auth="publickey,password,keyboard-interactive",
        connect_timeout=account.timeout_seconds,
        login_timeout=account.timeout_seconds,
        keepalive_interval=15,
    )


def _private_key(reference: Secret, passphrase: Secret | None) -> asyncssh.SSHKey:
    import asyncssh

    try:
        return asyncssh.import_private_key(
            resolve_secret(reference) + "\n", resolve_secret(passphrase) if passphrase else None
        )
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise InvalidConfiguration(
            "The private key cannot be read",
            where="private_key",
            fix="Give it in OpenSSH form without a passphrase, or as PKCS#8 with one: ssh-keygen -p -m PKCS8 -f FILE.",
        ) from None


def wanted(name: str, patterns: Sequence[str]) -> bool:
    """Whether a listed name is one to take: whole by its name, of a pattern, and nothing but a name."""
    lower = name.lower()
    if "/" in name or "\\" in name or not name.isprintable():
        return False
    if any(fnmatch.fnmatchcase(lower, pattern) for pattern in PARTIAL):
        return False
    return any(fnmatch.fnmatchcase(lower, pattern.lower()) for pattern in patterns)


def joined(folder: str, name: str) -> str:
    """A path of the server, whose separator is always a slash."""
    return f"{folder.rstrip('/')}/{name}" if folder else name


def from_thread(pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """Pieces read on ``loop``, for a thread that cuts them into messages; one piece is in memory at a time."""

    async def following() -> bytes | None:
        return await anext(pieces, None)

    while True:
        piece = asyncio.run_coroutine_threadsafe(following(), loop).result()
        if piece is None:
            return
        yield piece
