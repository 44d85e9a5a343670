"""Every simulator can be listed, started by name, used by what it prints, and stopped."""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli.simulating import lines
from gateway.errors import InvalidConfiguration
from gateway.hookspecs import GROUP
from gateway.registry import Registry
from gateway.testing.conformance_subject import kinds_of
from gateway.testing.simulation import simulators
from gateway.wire.mllp import Decoder, encode
from tests.waiting import PATIENCE

SYSTEMS = {one.name: one for one in simulators(importlib.metadata.entry_points(group=GROUP))}
RUNNER = CliRunner()


def run(*words: str):
    """``gateway simulate`` with these words; errors of the gateway are raised."""
    return RUNNER.invoke(app, ["simulate", *words], catch_exceptions=False)


async def served(name: str, use, faults=(), port=0):
    """Serve one system, run ``use(settings)``, stop it."""
    settings: asyncio.Future = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        SYSTEMS[name].serve(
            host="127.0.0.1", port=port, seed=3, clinic_size=5, faults=faults, opened=settings.set_result
        )
    )
    await asyncio.wait({serving, settings}, timeout=PATIENCE, return_when="FIRST_COMPLETED")
    try:
        return await asyncio.wait_for(use(settings.result()), PATIENCE)
    finally:
        serving.cancel()
        await asyncio.wait({serving}, timeout=PATIENCE)


def test_the_list_names_every_system_with_its_faults() -> None:
    """``--list`` tells name, sentence and faults of each."""
    listed = json.loads(run("--list", "--json").stdout)["simulators"]
    assert {"cliniko", "hl7", "webhook", "x12"} <= {one["name"] for one in listed}
    assert all(one["summary"].endswith(".") and one["faults"] for one in listed)
    assert "cliniko" in run("--list").stdout


@pytest.mark.parametrize("words", [("nothing",), ("cliniko", "--faults", "500,earthquake")])
def test_what_is_not_there_is_refused_with_what_is(words: tuple[str, ...]) -> None:
    """An unknown system and an unknown fault are told beside the known ones."""
    with pytest.raises(InvalidConfiguration, match=r"Known are: .*(cliniko|500)"):
        run(*words)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("spry", {"base_url": "http://127.0.0.1:1", "doctors": "1,2"},
         {"base_url": "http://127.0.0.1:1", "doctors": ["1", "2"]}),
        ("webpt", {"sftp.port": "2222", "sftp.host_keys": "SHA256:x", "sftp.password": "p"},
         {"sftp": {"port": 2222, "host_keys": ["SHA256:x"], "password": "p"}}),
        ("jane-feed", {"feeds.first.url": "http://x", "feed_zone": "America/Chicago"},
         {"feeds": {"first": {"url": "http://x"}}, "feed_zone": "America/Chicago"}),
        ("webhook", {"url": "http://x", "allow_loopback": "true"}, {"url": "http://x", "allow_loopback": True}),
    ],
)  # fmt: skip
def test_what_is_printed_can_be_pasted(name: str, settings: dict[str, str], expected: dict) -> None:
    """The lines are TOML: text is quoted, a list is a list, a port is a number; a secret says where it belongs."""
    printed = list(lines(name, settings))
    assert tomllib.loads("\n".join(printed)) == expected
    secret = {"sftp.password", "feeds.first.url"} & settings.keys()
    assert ["file:secrets" in line for line in printed] == [key in secret for key in settings]


def test_an_api_serves_by_the_settings_it_prints_and_acts_out_its_faults() -> None:
    """Address and credential work, one answer in ten is spoiled, and the clinic has the size asked for."""

    async def use(settings):
        basic = base64.b64encode(f"{settings['api_key']}:".encode()).decode()
        seen = []
        async with aiohttp.ClientSession(headers={"Authorization": f"Basic {basic}"}) as session:
            for _ in range(10):
                async with session.get(f"{settings['base_url']}/v1/patients") as response:
                    seen.append(response.status)
                    if response.status == 200:
                        assert (await response.json())["total_entries"] == 5
        assert sorted(seen) == [200] * 9 + [500]

    asyncio.run(served("cliniko", use, ["500"]))


def test_a_sender_waits_for_its_listener() -> None:
    """The HL7 system sends to the port it names, each message until it is acknowledged, repeats included."""

    async def use(settings):
        got: list[bytes] = []
        enough = asyncio.Event()

        writers = []

        async def answer(reader, writer):
            writers.append(writer)
            decoder = Decoder(64 * 1024)
            while data := await reader.read(4096):
                for frame in decoder.feed(data):
                    got.append(bytes(frame))
                    control = frame.split(b"|")[9]
                    writer.write(encode(b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5.1\rMSA|AA|" + control + b"\r"))
                if len(got) > 11:
                    enough.set()

        server = await asyncio.start_server(answer, settings["host"], int(settings["port"]))
        async with server:
            await enough.wait()
            for writer in writers:
                writer.close()
        assert got[9] == got[10]

    asyncio.run(served("hl7", use, ["repeats"]))


def test_a_payer_leaves_whole_and_cut_files_in_its_folder() -> None:
    """A file appears under its name when it is whole; the folder goes with the simulator."""

    async def use(settings):
        folder = Path(settings["folder"])
        while not (found := list(folder.glob(settings["patterns"]))):
            await asyncio.sleep(0.02)
        assert found[0].read_bytes().startswith(b"ISA*")
        return folder

    assert not asyncio.run(served("x12", use)).exists()


def test_a_receiver_tells_its_address_and_a_new_secret() -> None:
    """A request signed with the secret is taken, one without is refused; a recurring fault hits the tenth."""

    async def use(settings):
        body = json.dumps({"type": "appointment.created", "data": {"id": "r1", "version": 1}})
        at = datetime.now(UTC)
        signature = Webhook(settings["secrets"]).sign("m1", at, body)
        signed = {"webhook-id": "m1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
        seen = []
        async with aiohttp.ClientSession() as session:
            for headers in [{}, *[signed] * 9]:
                async with session.post(settings["url"], data=body, headers=headers) as response:
                    seen.append(response.status)
        assert seen == [401, *[202] * 8, 429]

    asyncio.run(served("webhook", use, ["busy"]))


@pytest.mark.parametrize(("name", "needed"), [("webhook", {"secrets"}), ("clearinghouse", {"sftp.password", "upload"})])
def test_what_a_partner_prints_is_what_a_route_is_set_up_with(name: str, needed: set[str]) -> None:
    """Every line is a setting of the sink, so that all can be pasted; secrets say that they may not stand there."""

    async def use(settings):
        return settings

    settings = asyncio.run(served(name, use))
    (sink,) = (one for one in Registry.load([name]).sinks.values() if one.info.name == name)
    assert needed <= settings.keys()
    assert [key for key in settings if not kinds_of(sink.config, key)] == []
    printed = {one.partition(" = ")[0] for one in lines(name, settings) if "# a secret" in one}
    assert printed == {key for key in settings if key.endswith(("secrets", "password"))}
