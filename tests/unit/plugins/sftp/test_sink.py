from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from gateway.hookspecs import API_VERSION
from gateway.model.exchange import Delivered, Delivery, Dispatch, Outcome, Raw, Retry
from gateway.testing.sftp_server import Fault, SftpServer
from gateway_sftp.config import SftpConfig
from gateway_sftp.plugin import SftpSink, gateway_sinks
from gateway_sftp.sink import Mailbox
from tests.unit.transport.mailbox import mailbox
from tests.waiting import PATIENCE

FORMULA = "=cmd|' /C calc'!A0"


def delivery(number: int, type_name: str = "Appointment") -> Delivery:
    body = msgspec.json.encode({"start": "2026-07-14T09:00:00-05:00", "cancel_reason": FORMULA, "number": number})
    return Delivery(
        key=f"key-{number}", change="created", type=type_name, record_id=f"0198f3a2-{number:012d}", order="p",
        version=1, at="2026-07-14T14:00:00Z", source="north", observed_at="2026-07-14T13:59:59Z",
        fields=("start", "cancel_reason"), body=body,
    )  # fmt: skip  # an envelope reads better packed


def dispatch(count: int = 3) -> Dispatch:
    types = ("Appointment", "Patient", "Appointment")
    return Dispatch(id="d1", route="feed", deliveries=tuple(delivery(n, types[n % 3]) for n in range(count)))


def with_mailbox(
    folder: Path,
    act: Callable[[SftpServer, Mailbox], Awaitable[Any]],
    formats: tuple[str, ...] = ("ndjson", "csv"),
    **settings: object,
) -> Any:
    async def run() -> Any:
        async with asyncio.timeout(PATIENCE), mailbox(folder, **settings) as (server, account):
            (folder / "inbound").mkdir(exist_ok=True)
            config = {"account": account.model_dump(), "folder": "inbound", "formats": formats}
            sink = SftpSink().open("feed", SftpConfig.model_validate(config))
            try:
                return await act(server, sink)  # type: ignore[arg-type]  # what open returns is the sink of this package
            finally:
                await sink.close()

    return asyncio.run(run())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "inbound").iterdir()}


def test_each_type_and_format_is_one_whole_file(tmp_path: Path) -> None:
    """Every delivery is in one file of its type, the receipt names it and its digest, and nothing else lies there."""
    outcomes = with_mailbox(tmp_path / "box", lambda _, sink: sink.deliver(dispatch()))
    found = content(tmp_path / "box")
    assert sorted(found) == ["Appointment-d1.csv", "Appointment-d1.ndjson", "Patient-d1.csv", "Patient-d1.ndjson"]
    for one, outcome in zip(dispatch().deliveries, outcomes, strict=True):
        name = f"{one.type}-d1.ndjson"
        assert outcome == Delivered(f"{name} sha256:{hashlib.sha256(found[name]).hexdigest()}")
    lines = [msgspec.json.decode(line) for line in found["Appointment-d1.ndjson"].splitlines()]
    assert [line["key"] for line in lines] == ["key-0", "key-2"]


def test_a_formula_is_disarmed_in_csv(tmp_path: Path) -> None:
    """No cell of a CSV file begins with what a spreadsheet would run."""
    with_mailbox(tmp_path / "box", lambda _, sink: sink.deliver(dispatch()))
    rows = list(csv.DictReader(io.StringIO(content(tmp_path / "box")["Appointment-d1.csv"].decode())))
    assert {row["cancel_reason"] for row in rows} == {f"'{FORMULA}"}


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    """The same dispatch again gives the same receipts and leaves the files untouched, names and times too."""
    box = tmp_path / "box"

    async def twice(_: SftpServer, sink: Mailbox) -> tuple[Any, Any]:
        first = await sink.deliver(dispatch())
        before = {path: path.stat().st_mtime_ns for path in (box / "inbound").iterdir()}
        again = await sink.deliver(dispatch())
        assert {path: path.stat().st_mtime_ns for path in (box / "inbound").iterdir()} == before
        return first, again

    first, again = with_mailbox(box, twice)
    assert first == again


@pytest.mark.parametrize("fault", ["cut", "stall", "deny-rename", "refuse"])
def test_after_a_fault_nothing_half_is_seen_and_the_next_try_is_whole(tmp_path: Path, fault: Fault) -> None:
    """A dispatch that broke off is to be tried again; no file stands under its final name; then all of them do."""
    box = tmp_path / "box"
    many = dispatch(300)

    async def act(server: SftpServer, sink: Mailbox) -> tuple[list[Outcome], dict[str, bytes], list[Outcome]]:
        server.fail(fault)
        broken = list(await sink.deliver(many))
        seen = content(box)
        return broken, seen, list(await sink.deliver(many))

    patience = {"timeout_seconds": 2.0} if fault == "stall" else {}
    broken, seen, mended = with_mailbox(box, act, formats=("ndjson",), **patience)
    assert {type(outcome) for outcome in broken} == {Retry}
    assert [name for name in seen if not name.startswith(".")] == []
    assert {type(outcome) for outcome in mended} == {Delivered}
    found = content(box)
    assert sum(body.count(b"\n") for body in found.values()) == 300
    assert not [name for name in found if name.startswith(".")]


def test_nothing_goes_out_to_a_server_whose_key_is_not_pinned(tmp_path: Path) -> None:
    """A host key other than the pinned one ends the attempt before a credential or a record is sent."""
    box = tmp_path / "box"

    async def run() -> tuple[list[Outcome], int]:
        async with mailbox(box) as (server, account):
            other = "SHA256:" + "A" * 43
            config = SftpConfig(account=account.model_copy(update={"host_keys": (other,)}))
            return list(await SftpSink().open("feed", config).deliver(dispatch(1))), server.logins

    outcomes, logins = asyncio.run(run())
    assert [type(outcome) for outcome in outcomes] == [Retry]
    assert logins == 0
    assert list(box.iterdir()) == []


def test_settings_are_checked() -> None:
    """A column the model does not have is refused with those it has; an account must be able to log in."""
    account = {"host": "h", "user": "u", "host_keys": ["SHA256:x"], "password": "env:P"}
    with pytest.raises(ValidationError, match="Appointment has no field 'color'"):
        SftpConfig.model_validate({"account": account, "columns": {"Appointment": ["color"]}})
    with pytest.raises(ValidationError, match="private_key"):
        SftpConfig.model_validate({"account": account | {"password": None}})


def test_the_sink_says_what_can_happen_twice() -> None:
    """The offered sink names its contract, its own key and the risk that is left."""
    (sink,) = gateway_sinks()
    assert (sink.info.api, sink.info.idempotency) == (API_VERSION, "native-key")
    assert "once more" in sink.info.residual_risk
    probed = asyncio.run(SftpSink().open("feed", _config()).probe(delivery(1)))
    assert probed == Retry("put-again")


def _config() -> SftpConfig:
    account = {"host": "h", "user": "u", "host_keys": ["SHA256:x"], "password": "env:P"}
    return SftpConfig.model_validate({"account": account})


def test_what_was_received_lies_beside_the_records(tmp_path: Path) -> None:
    """The message is a file of its own, put whole, and the receipt names both; a repeat puts nothing anew."""
    one = msgspec.structs.replace(delivery(0), raw=(Raw("ADT^A08", b"MSH|1", b""),))

    async def act(_: SftpServer, sink: Mailbox) -> Any:
        await sink.deliver(Dispatch(id="d1", route="feed", deliveries=(one,)))
        return await sink.deliver(Dispatch(id="d1", route="feed", deliveries=(one,)))

    (outcome,) = with_mailbox(tmp_path / "box", act, ("ndjson",))
    found = content(tmp_path / "box")
    name = f"Appointment-{one.record_id}-1.raw"
    assert sorted(found) == sorted([name, "Appointment-d1.ndjson"])
    assert found[name] == b"MSH|1"
    assert outcome.receipt.endswith(f" {name} sha256:{hashlib.sha256(b'MSH|1').hexdigest()}")
