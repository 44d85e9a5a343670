"""The SFTP mailbox: pinned host keys, bounded reads and waits, uploads that nobody sees half."""

from __future__ import annotations

import asyncio
import os

import asyncssh
import pytest
from pydantic import ValidationError

from gateway.errors import InvalidConfiguration, LimitExceeded, SourceUnavailable
from gateway.testing.sftp_server import SftpServer
from gateway.transport.sftp import CHUNK, SftpAccount, connected, joined, wanted
from tests.unit.transport.mailbox import mailbox
from tests.waiting import PATIENCE


async def contents(session, file) -> bytes:
    return b"".join([piece async for piece in session.read(file)])


def test_files_are_listed_oldest_first_and_read_in_bounded_pieces(tmp_path):
    """Only whole regular files of the patterns are listed; a large one comes in pieces."""

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            for number, name in enumerate(["b.CSV", "a.csv", "c.csv.part", ".d.csv", "e.txt"]):
                (server.folder / name).write_bytes(bytes([number]) * (CHUNK * 2 + 5))
                os.utime(server.folder / name, (number + 1, number + 1))
            (server.folder / "f.csv").mkdir()
            async with connected(account) as session:
                files = await session.files("/", ["*.csv"])
                pieces = [piece async for piece in session.read(files[1])]
                return [file.name for file in files], pieces

    listed, pieces = asyncio.run(run())
    assert listed == ["b.CSV", "a.csv"]
    assert max(map(len, pieces)) <= CHUNK
    assert b"".join(pieces) == b"\x01" * (CHUNK * 2 + 5)


def test_an_unknown_host_key_is_refused_before_a_credential_is_sent(tmp_path):
    """Another server at the same address learns nothing and is named as the reason."""

    async def run():
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        async with mailbox(tmp_path / "box", host_keys=[other]) as (server, account):
            with pytest.raises(SourceUnavailable, match="not pinned"):
                async with connected(account):
                    pass
            return server.logins

    assert asyncio.run(run()) == 0


def test_a_fingerprint_pins_as_well_as_a_key(tmp_path):
    """What an operator reads aloud, SHA256:..., is enough; a wrong one is not."""

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            right = asyncssh.import_public_key(server.host_key).get_fingerprint()
            async with connected(account.model_copy(update={"host_keys": (right,)})) as session:
                assert await session.files("/", ["*"]) == []
            with pytest.raises(SourceUnavailable, match="not pinned"):
                async with connected(account.model_copy(update={"host_keys": ("SHA256:" + "A" * 43,)})):
                    pass

    asyncio.run(run())


def test_a_wrong_credential_is_told_without_it(tmp_path, monkeypatch):
    """The refusal names server and cure, never the password."""
    monkeypatch.setenv("MAILBOX_PASSWORD", "hunter-two-wrong")

    async def run():
        async with mailbox(tmp_path / "box", password="env:MAILBOX_PASSWORD") as (_, account):
            with pytest.raises(SourceUnavailable, match="refused the credential") as caught:
                async with connected(account):
                    pass
            return str(caught.value)

    assert "hunter" not in asyncio.run(run())


def test_a_private_key_logs_in(tmp_path):
    """A key by reference, with its passphrase, opens the mailbox; without the passphrase the setting is named."""

    async def run():
        key = asyncssh.generate_private_key("ssh-ed25519")
        (tmp_path / "key").write_bytes(key.export_private_key("pkcs8-pem", passphrase="words"))
        (tmp_path / "words").write_text("words\n")
        (tmp_path / "box").mkdir()
        server = SftpServer(tmp_path / "box", {}, {"clinic": key.export_public_key().decode()})
        await server.start()
        settings = {
            "host": "127.0.0.1", "port": server.port, "user": "clinic", "host_keys": [server.host_key],
            "private_key": f"file:{tmp_path / 'key'}",
        }  # fmt: skip
        account = SftpAccount.model_validate(settings | {"passphrase": f"file:{tmp_path / 'words'}"})
        async with connected(account) as session:
            await session.put("/", "a.txt", b"a")
        with pytest.raises(InvalidConfiguration, match="private key"):
            async with connected(SftpAccount.model_validate(settings)):
                pass
        await server.stop()

    asyncio.run(run())
    assert (tmp_path / "box/a.txt").read_bytes() == b"a"


def test_an_upload_is_seen_whole_or_not_at_all(tmp_path):
    """A connection cut in the middle leaves no file of the name; the same call made again replaces what is there."""
    data = bytes(range(256)) * 4096

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            server.fail("cut")
            with pytest.raises(SourceUnavailable):
                async with connected(account) as session:
                    await session.put("/", "claims.x12", data)
            assert not (server.folder / "claims.x12").exists()
            async with connected(account) as session:
                assert await session.look("/", "claims.x12") is None
                await session.put("/", "claims.x12", data)
                placed = await session.put("/", "claims.x12", data)
                assert placed == await session.look("/", "claims.x12")
            return [path.name for path in server.folder.iterdir()]

    assert asyncio.run(run()) == ["claims.x12"]
    assert (tmp_path / "box/claims.x12").read_bytes() == data


def test_a_silent_server_is_left_in_bounded_time(tmp_path):
    """A server that stops answering makes an error, not a wait without end."""

    async def run():
        async with mailbox(tmp_path / "box", timeout_seconds=2.0) as (server, account):
            (server.folder / "a.csv").write_bytes(b"x" * 100)
            server.fail("stall", 3)
            async with asyncio.timeout(PATIENCE), connected(account) as session:
                (file,) = await session.files("/", ["*"])
                with pytest.raises(SourceUnavailable, match="in time"):
                    await contents(session, file)

    asyncio.run(run())


def test_a_file_that_grows_while_it_is_read_is_not_whole(tmp_path):
    """What changed between listing and end of reading is told, so that it is read again."""

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            (server.folder / "a.csv").write_bytes(b"x" * 100)
            async with connected(account) as session:
                (file,) = await session.files("/", ["*"])
                (server.folder / "a.csv").write_bytes(b"x" * 300)
                with pytest.raises(SourceUnavailable, match="changed"):
                    await contents(session, file)

    asyncio.run(run())


def test_limits_hold(tmp_path):
    """A file too large and a folder too full are refused by name of the setting."""

    async def run():
        async with mailbox(tmp_path / "box", most_file_bytes=1024, most_files=4) as (server, account):
            (server.folder / "a.csv").write_bytes(b"x" * 1025)
            async with connected(account) as session:
                (file,) = await session.files("/", ["*"])
                with pytest.raises(LimitExceeded, match="most_file_bytes"):
                    await contents(session, file)
                for number in range(6):
                    (server.folder / f"{number}.csv").touch()
                with pytest.raises(LimitExceeded, match="most_files"):
                    await session.files("/", ["*"])

    asyncio.run(run())


def test_archiving_never_replaces_a_file(tmp_path):
    """Two files of one name lie beside each other in the archive; a denied move is an error."""

    async def run():
        async with mailbox(tmp_path / "box") as (server, account):
            async with connected(account) as session:
                for text in ("one", "two"):
                    (server.folder / "a.csv").write_text(text)
                    (file,) = await session.files("/", ["*.csv"])
                    await session.archive(file, "/done")
                (server.folder / "a.csv").write_text("three")
                (file,) = await session.files("/", ["*.csv"])
                server.fail("deny-rename")
                with pytest.raises(SourceUnavailable, match="permit"):
                    await session.archive(file, "/done")
                await session.remove(file)
            return sorted((path.name, path.read_text()) for path in (server.folder / "done").iterdir())

    assert asyncio.run(run()) == [("a.csv", "one"), ("a.csv.2", "two")]


def test_settings_ask_for_a_pin_and_a_credential():
    """An account without a pinned key or without a credential is refused, and so is a secret in plain text."""
    whole = {"host": "h", "user": "u", "host_keys": ["SHA256:x"], "password": "env:P"}
    assert SftpAccount.model_validate(whole).port == 22
    for wrong in ({"host_keys": []}, {"password": None}, {"password": "plain"}, {"host": "a b"}):
        with pytest.raises(ValidationError):
            SftpAccount.model_validate(whole | wrong)


def test_names_that_are_more_than_names_are_left_alone():
    """A listing cannot lead out of its folder."""
    assert wanted("Night.CSV", ["*.csv"])
    assert not any(wanted(name, ["*"]) for name in ("../a.csv", "a\\b.csv", "a\n.csv", "~a.csv", "a.csv.filepart"))
    assert joined("/out/", "a") == "/out/a"
    assert joined("", "a") == "a"
