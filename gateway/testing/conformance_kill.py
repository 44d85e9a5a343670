"""A back-fill that is killed: a serving process ends by SIGKILL in the middle, a second one finishes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.testing.conformance import Result, failed, judged, not_run
from gateway.testing.conformance_house import House, Records, Scene
from gateway.testing.conformance_live import NO_SIMULATOR, Pace
from gateway.testing.conformance_subject import Subject
from gateway.testing.simulation import staged

RULE = "resumes-after-kill"
_LARGER = 4
"""So many times the clinic is larger than in the other scenes, that there is a middle."""
_TOML = """
[data]
directory = "data"
[keys]
keystore = "keys/keystore.db"
[keys.config]
path = "keys/root.key"
[[tenants]]
name = "certify"
[[sources]]
name = "killed"
tenant = "certify"
adapter = "{adapter}"
zone = "{zone}"
"""


async def kill_rule(subject: Subject, pace: Pace, folder: Path) -> Result:
    """resumes-after-kill."""
    if staged(subject.simulator) is None or not subject.polled:
        return not_run(RULE, NO_SIMULATOR if subject.simulator is None else "there is no back-fill to resume")
    house = House(subject, folder, clinic_size=_LARGER * pace.clinic_size, lingering=pace.lingering)
    scene = Scene("killed")
    try:
        await house.act(scene)
        return await _killed(subject, house, scene, pace)
    finally:
        await house.close()


async def _killed(subject: Subject, house: House, scene: Scene, pace: Pace) -> Result:
    config = house.folder / "gateway.toml"
    text = _TOML.format(adapter=subject.name, zone=subject.zone)
    config.write_text(text + "[sources.config]\n" + "".join(_lines(scene.settings, "sources.config")), "utf-8")
    await _command(config, "init")
    first = await _serve(config)
    begun = await house.until(
        lambda: scene.counted("requests") > 5, pace.patience, lambda: first.returncode is not None
    )
    _kill(first)
    await first.wait()
    if not begun:
        return failed(RULE, "the back-fill did not begin in a process of its own")
    killed, scene.name = house.folder, "whole"
    whole, wanted = await _whole(house, scene, pace)
    await house.shut()
    house.folder, scene.name = killed, "killed"
    second = await _serve(config)
    try:
        last = -1
        for _ in range(int(pace.patience)):
            await asyncio.sleep(max(0.5, pace.lingering))
            count = len(await _messages(config))
            if count == last >= wanted:
                break
            last = count
    finally:
        _kill(second)
        await second.wait()
    ledger = json.loads(await _command(config, "verify", "ledger", "--json"))
    controls = [one["control_id"] for one in await _messages(config) if one["repeat_of"] is None]
    house.open([scene])
    found = house.records().get("killed", {})
    faults = []
    if ledger["unaccounted"]:
        faults.append("the ledger does not add up afterwards")
    if any(found.get(key, ("",))[0] != content for key, (content, *_) in whole.items()):
        faults.append("records are missing or differ after the restart")
    if len(controls) > len(set(controls)) + len(controls) // 20:
        faults.append("messages were stored twice")
    return judged(RULE, faults)


async def _whole(house: House, scene: Scene, pace: Pace) -> tuple[Records, int]:
    """The records of the same clinic, read in one go, and of how many messages they are."""
    house.folder = house.folder / "whole"
    house.folder.mkdir()
    house.open([scene])
    await house.read(scene, house.quiet(scene), pace.patience)
    return house.records().get("whole", {}), len(scene.items)


def _lines(settings: dict[str, Any], table: str) -> list[str]:
    """TOML of nested settings: plain values first."""
    plain = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items() if not isinstance(value, dict)]
    for key, value in settings.items():
        if isinstance(value, dict):
            plain += [f"[{table}.{key}]\n", *_lines(value, f"{table}.{key}")]
    return plain


def _environment() -> dict[str, str]:
    """That of this process; what it can import, its child can."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


async def _serve(config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(config), env=_environment(),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)


async def _command(config: Path, *words: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, "--config", str(config), env=_environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return out


async def _messages(config: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await _command(config, "messages", "--limit", "100000", "--json"))[
        "messages"
    ]
    return found
