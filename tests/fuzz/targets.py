"""The parsers of everything that comes from outside, each as the product runs it: files cut, hooks received."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import partial
from typing import Any

from msgspec import structs

from gateway.access.assertion import claimed_client
from gateway.errors import GatewayError, RejectMessage
from gateway.http.cursor import place_of, positions_of
from gateway.http.tokens import PREFIX, client_of, verify
from gateway.model.exchange import Finding, HookReceiver, HookRequest, Item
from gateway.testing.conformance_subject import Subject, find_subject
from gateway.testing.recording_intake import RecordingIntake
from gateway.wire import hl7_path, ical, ical_time, mllp, tabular, xlsx
from gateway.wire.hl7 import Message
from gateway.wire.hl7_header import acknowledge, glance, peek
from gateway.wire.x12 import SegmentReader
from gateway_hl7.strict_judge import judged
from gateway_hl7.strict_profile import read_profile
from gateway_jane.config import JaneConfig
from gateway_jane.transport_hooks import ClinicHooks
from gateway_spry.config import SpryConfig
from gateway_spry.transport_hooks import OrganisationHooks
from gateway_twilio import records as twilio_records
from gateway_twilio.translate_signature import signature
from gateway_twilio.transport import Callbacks
from tests.fuzz import seeds
from tests.fuzz.judge import Target

Said = Iterator[Finding | str]
CHUNK = 997
FRAME = 4096
HOOK = "https://gateway.example/hooks/one"
READERS = [
    hl7_path.compile_path(path)
    for path in ("PID-3[MR].1", "PID-5.1", "MSH-9.2", "PV1-7.1.2", "OBX[2]-5", "PID-13[1].1", "ZZZ-1")
]


def chunks(data: bytes) -> Iterator[bytes]:
    """As a file comes: in pieces that end anywhere."""
    yield from (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))


def hl7_message(data: bytes) -> Said:
    """Each field of a message, and the answer to it whatever becomes of it."""
    told = acknowledge(glance(data), "AR", "1")
    assert told.startswith(b"MSH")
    peek(data)
    message = Message(data, None)
    for read in READERS:
        read(message)
    for name in message.names()[:50]:
        for value in message.fields(name)[:50]:
            message.unescape(value)
    yield message.charset


def message_profile(data: bytes) -> Said:
    """A message profile, and a message judged by it; both from outside."""
    text, _, body = data.partition(b"\0MSG\0")
    yield from judged(body, read_profile(text), lambda table: {"F"} if table == "0001" else None)


def mllp_frames(data: bytes) -> Said:
    """A stream that arrives in pieces is cut as one that arrives whole, and no frame is longer than allowed."""
    whole, pieces = mllp.Decoder(FRAME), mllp.Decoder(FRAME)
    events = [*whole.feed(data), *whole.close()]
    parts = [event for piece in chunks(data) for event in pieces.feed(piece)] + pieces.close()
    frames = [one for one in events if isinstance(one, bytes)]
    assert frames == [one for one in parts if isinstance(one, bytes)]
    assert all(len(frame) <= FRAME for frame in frames)
    yield ""


def calendar(data: bytes) -> Said:
    """Parts of a calendar, the same in pieces as whole, and every time in them."""
    whole, pieces = ical.Reader(ical.Limits(line_bytes=4096)), ical.Reader(ical.Limits(line_bytes=4096))
    events = [*whole.feed(data), *whole.close()]
    assert events == [one for piece in chunks(data) for one in pieces.feed(piece)] + pieces.close()
    parts = [one for one in events if isinstance(one, ical.Component)]
    zones = ical_time.Zones((one for one in parts if one.name == "VTIMEZONE"), UTC)
    for part in parts:
        for found in part.properties[:50]:
            try:
                yield str(type(ical_time.duration(found) if found.name == "DURATION" else zones.read(found)))
            except RejectMessage as error:
                yield f"{error} {error.reason}"


def x12_segments(data: bytes) -> Said:
    """Segments and their elements; what is damaged is told."""
    reader = SegmentReader()
    for event in (*(one for piece in chunks(data) for one in reader.feed(piece)), *reader.close()):
        if isinstance(event, Finding):
            yield event
        elif hasattr(event, "elements"):
            event.elements()


def table(data: bytes) -> Said:
    """Rows with their cells, below a header that is recognized."""
    dialect = tabular.sniff(data[: tabular.HEAD])
    rows = tabular.lines(chunks(data), dialect)
    first = True
    for row in rows:
        if isinstance(row, tabular.Broken):
            yield row.reason
        elif first:
            first = False
            tabular.heading(
                tabular.decoded(row.body).split(dialect.delimiter), {"name": ("Patient Name",), "day": ("Date",)}
            )


def workbook(data: bytes) -> Said:
    """The rows of a workbook."""
    for _ in xlsx.rows(data):
        yield ""


def file_of(subject: Subject) -> Callable[[bytes], Said]:
    """Cut a file and read each message of it, as ``gateway import`` does."""
    source = subject.bound()

    def run(data: bytes) -> Said:
        subject.adapter.recognize(data[:4096])
        for part in subject.adapter.cut(chunks(data), source.config):
            if isinstance(part, Finding):
                yield part
            else:
                yield from understood(partial(source.normalize, part.body, part.context))

    return run


def understood(read: Callable[[], Any]) -> Said:
    """What reading one message says: the others of its file go on when it is refused."""
    try:
        read()
    except RejectMessage as error:
        yield Finding(reason=error.reason, what=error.what, where=error.where, fix=error.fix)


def record_of(subject: Subject, items: tuple[Item, ...]) -> Target:
    """One message under a context as it is kept: the first byte of an input chooses the context."""
    normalize = subject.bound().normalize
    contexts = [one.context for one in items]

    def run(data: bytes) -> Said:
        normalize(data[1:], contexts[(data[0] if data else 0) % len(contexts)])
        yield ""

    return Target(f"{subject.name}-record", run, tuple(bytes([at]) + one.body for at, one in enumerate(items)))


def golden_targets(name: str, more: tuple[bytes, ...] = (), **config: str) -> Iterator[Target]:
    """Files and single messages of an adapter, from its golden messages."""
    subject = find_subject(name)
    subject = structs.replace(subject, settings=subject.settings | {"config": config})
    files = tuple(case.read_bytes() for case in subject.golden())
    source = subject.bound()
    items: dict[str, Item] = {}
    for file in (*files, *more):
        for part in subject.adapter.cut([file], source.config):
            if isinstance(part, Item):
                items.setdefault(part.kind, part)
    yield Target(f"{name}-file", file_of(subject), tuple(seeds.short(file) for file in (*files, *more)))
    yield record_of(subject, tuple(items.values()))


def hook(receiver: HookReceiver, headers: Callable[[bytes], dict[str, str]], path: str = "") -> Callable[[bytes], Said]:
    """A body with the sender's own signature, and the signature's header with the body in it."""

    def run(data: bytes) -> Said:
        signed = headers(data)
        asked = [signed, {name: data.decode("latin-1") for name in signed}]
        asked += [signed | {name: data.decode("latin-1")} for name in signed]
        for given in asked:
            request = HookRequest(method="POST", path=path, query="", headers=given, body=data, url=HOOK)
            answer = asyncio.run(receiver.receive(request, RecordingIntake()))
            assert answer.status in (200, 400, 401, 403, 503)
            yield answer.body.decode()

    return run


def tokens(data: bytes) -> Said:
    """What clients show us: access tokens, cursors, places in a list and assertions, made by nobody."""
    vault, text = seeds.vault(), data.decode("latin-1")
    for one in (text, PREFIX + text, PREFIX + seeds.based(data) + "." + seeds.based(b"code")):
        found = verify(vault, "clinic", one, 0)
        assert found is None or found.client == "client"
        client_of(one)
    for one in (text, f"a.{seeds.based(data)}.b"):
        claimed_client(one)
    for one in (text, seeds.based(data)):
        for read in (
            lambda one=one: positions_of(vault, "clinic", one),
            lambda one=one: place_of(vault, "clinic", "list", one),
        ):
            try:
                read()
            except GatewayError as error:
                yield str(error)


def twilio(body: bytes) -> dict[str, str]:
    """Twilio's signature, where the body is a form at all."""
    try:
        form = twilio_records.form(body)
    except ValueError:
        form = {}
    return {"x-twilio-signature": signature("token", HOOK, form)}


def jane(body: bytes) -> dict[str, str]:
    """The signature of one registered topic, over timestamp and body."""
    at = str(int(time.time()))
    signed = hmac.digest(b"secret", at.encode() + b"." + body, hashlib.sha256).hex()
    return {"x-jane-signature": f"sha256={signed}", "x-jane-timestamp": at}


def spry(body: bytes) -> dict[str, str]:
    """The organisation's signature, over timestamp and body."""
    at = str(int(time.time()))
    signed = hmac.digest(b"secret", at.encode() + b"." + body, hashlib.sha256).hex()
    return {"x-sprypt-signature": f"t={at},v1={signed}"}


def hooks() -> Iterator[Target]:
    """The receivers of what vendors send; nothing listens where notices are answered by a question."""
    os.environ.setdefault("FUZZED_HOOK_KEY", "secret")
    nowhere = "http://127.0.0.1:9"
    clinic = JaneConfig(
        clinic=nowhere, identity=nowhere, client_id="fuzzed", client_secret="env:FUZZED_HOOK_KEY", retries=0,
        token_file=seeds.jane_tokens("secret"), webhooks=True, webhook_signed="timestamp.body",
    )  # fmt: skip
    callbacks = Callbacks("AC0", "token", "Call the clinic.")
    for path in ("sms", "keys"):
        yield Target(f"twilio-hook-{path}", hook(callbacks, twilio, path), seeds.TEXT)
    yield Target("jane-hook", hook(ClinicHooks(clinic), jane), seeds.JANE)
    organisation = OrganisationHooks(SpryConfig(webhook_key="env:FUZZED_HOOK_KEY"))
    yield Target("spry-hook", hook(organisation, spry), seeds.SPRY)


TARGETS: tuple[Target, ...] = (
    Target("hl7-message", hl7_message, seeds.HL7),
    Target("hl7-profile", message_profile, (seeds.AGREED,)),
    Target("mllp-frames", mllp_frames, seeds.MLLP),
    Target("x12-segments", x12_segments, seeds.X12),
    Target("calendar", calendar, (seeds.CALENDAR,)),
    Target("table", table, (seeds.TABLE, seeds.TABLE.decode().encode("utf-16"))),
    Target("workbook", workbook, (seeds.WORKBOOK,)),
    *(target for name in ("hl7", "bank", "cliniko", "jane", "webpt", "fhir") for target in golden_targets(name)),
    *golden_targets("x12", seeds.X12),
    *golden_targets("spry", seeds.SPRY_ANSWERS),
    *golden_targets("reports", (seeds.REPORT,), system="jane"),
    *hooks(),
    Target("tokens", tokens, tuple(one.encode() for one in seeds.issued())),
)
"""Every parser of bytes from outside."""
