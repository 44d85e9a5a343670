"""A route against a simulated clearinghouse: sent once, answered, and honest about what is not known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import msgspec
import pytest

from tests.waiting import PATIENCE

pytest.importorskip("asyncssh", reason="the extra sftp is not installed")

from gateway.errors import InvalidConfiguration
from gateway.model import encode
from gateway.model.acknowledgement import AcknowledgedGroup, Acknowledgement
from gateway.model.coverage import Coverage
from gateway.model.exchange import HELD, Ambiguous, Delivered, Delivery, Dispatch, Rejected, Retry
from gateway.model.organization import Payer
from gateway.model.submission import Submission
from gateway.transport.egress import Answer
from gateway_clearinghouse.config import ClearinghouseConfig
from gateway_clearinghouse.plugin import ClearinghouseSink
from gateway_clearinghouse.simulator import ClearinghouseSimulator
from gateway_clearinghouse.simulator_payer import _transactions
from gateway_clearinghouse.transport_core import _meaning
from tests.unit.plugins.clearinghouse.submissions import CLAIM, PARTIES, submission

DIRECTORY = (
    ("Payer", "payer-1", PARTIES.payer),
    ("Organization", "org-1", PARTIES.billing),
    ("Practitioner", "therapist-1", PARTIES.practitioner),
    ("Location", "location-1", PARTIES.location),
)


def delivery(type: str, id: str, record, *, key: str = "", order: str = "", change: str = "created") -> Delivery:
    return Delivery(
        key=key or f"key-{id}", change=change, type=type, record_id=id, order=order or id, version=1,
        at="2026-07-14T14:00:00Z", source="reactor.claims", observed_at="2026-07-14T14:00:00Z", fields=(),
        body=encode(record),
    )  # fmt: skip


def asked(kind: str = "eligibility", number: str = "E1", **fields) -> Delivery:
    record = msgspec.structs.replace(submission(kind), control_number=number, **fields)
    return delivery("Submission", f"{kind}-{number}", record, order="patient-1")


class Route:
    """A sink and the clearinghouse it talks to, with the directory already told."""

    def __init__(self, folder: Path, connection: str, monkeypatch) -> None:
        (folder / "mail").mkdir(exist_ok=True)
        self.simulator = ClearinghouseSimulator(folder / "mail", remit_after=0.2)
        self._folder, self._connection, self._patch = folder, connection, monkeypatch

    async def __aenter__(self) -> Self:
        await self.simulator.start()
        self.open()
        await self.send(*(delivery(*one) for one in DIRECTORY))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.sink.close()
        await self.simulator.stop()

    def open(self) -> None:
        self._patch.setenv("CLEARING_PASSWORD", self.simulator.password)
        account = {
            "host": "127.0.0.1", "port": self.simulator.sftp.port, "user": "clinic",
            "host_keys": [self.simulator.sftp.host_key], "password": "env:CLEARING_PASSWORD", "timeout_seconds": 5,
        }  # fmt: skip
        config = ClearinghouseConfig.model_validate(
            {
                "connection": self._connection, "memory": self._folder / "memory", "submitter_id": "SUBM001",
                "submitter_name": "Example", "submitter_phone": "5555550100", "receiver_id": "CH001", "timeout": 5,
                "sftp": account, "url": self.simulator.url, "user": "clinic", "password": "env:CLEARING_PASSWORD",
                "allow_loopback": True, "requests": 100,
            }
        )  # fmt: skip
        self.sink = ClearinghouseSink().open("out", config)

    async def send(self, *deliveries: Delivery):
        return await self.sink.deliver(Dispatch(id="1", route="out", deliveries=deliveries))


def run(route: Route, scenario) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE), route:
            await scenario(route)

    asyncio.run(bounded())


@pytest.fixture(params=["core-soap", "core-mime"])
def core(request, tmp_path, monkeypatch) -> Route:
    return Route(tmp_path, request.param, monkeypatch)


@pytest.fixture
def mailbox(tmp_path, monkeypatch) -> Route:
    return Route(tmp_path, "sftp", monkeypatch)


@pytest.mark.parametrize(
    ("kind", "answer"), [("eligibility", "271"), ("claim-status", "277"), ("authorization", "278"), ("claim", "999")]
)
def test_every_document_is_answered_over_core(core, kind, answer):
    """Questions get the payer's answer, a batch its acknowledgement, as messages of the x12 source."""

    async def scenario(route):
        (outcome,) = await route.send(asked(kind, "PCN-1001"))
        assert isinstance(outcome, Delivered), outcome
        assert outcome.answers
        replies = [item.kind for item in outcome.answers if not item.kind.startswith("837")]
        assert replies
        assert all(one.startswith(answer) for one in replies), replies

    run(core, scenario)


def test_one_control_number_across_retries_and_restarts(core):
    """A lost answer is ambiguous; whoever asks again, even after a restart, asks the same thing."""

    async def scenario(route):
        question = asked("claim", "PCN-1001")
        route.simulator.fail("lost-answer")
        (outcome,) = await route.send(question)
        assert isinstance(outcome, Ambiguous)
        await route.sink.close()
        route.open()
        assert isinstance(await route.sink.probe(question), Delivered)
        assert len(route.simulator.payer.taken) == 1
        assert route.simulator.payer.repeats == 0

    run(core, scenario)


@pytest.mark.parametrize("fault", ["busy", "html", "server-error"])
def test_a_question_that_fails_says_nothing_about_the_claim(core, fault):
    """A receipt that cannot be asked for leaves a claim ambiguous: it is not sent a second time for that."""

    async def scenario(route):
        question = asked("claim", "PCN-1001")
        route.simulator.fail("lost-answer")
        assert isinstance((await route.send(question))[0], Ambiguous)
        route.simulator.fail(fault)
        assert isinstance(await route.sink.probe(question), Ambiguous)
        assert isinstance(await route.sink.probe(question), Delivered)
        assert len(route.simulator.payer.taken) == 1

    run(core, scenario)


def test_an_unreachable_service_leaves_a_claim_ambiguous(core):
    """A refused password or a service that is gone while the receipt is asked for says nothing about the claim."""

    async def scenario(route):
        question = asked("claim", "PCN-1001")
        route.simulator.fail("lost-answer")
        assert isinstance((await route.send(question))[0], Ambiguous)
        kept, route.simulator.password = route.simulator.password, "changed"
        assert isinstance(await route.sink.probe(question), Ambiguous)
        route.simulator.password = kept
        await route.simulator.stop()
        assert isinstance(await route.sink.probe(question), Ambiguous)
        await route.simulator.start()

    run(core, scenario)


def test_a_claim_that_never_arrived_may_go_again(core):
    """The service that does not know the batch says so, and only that lets it be sent again."""

    async def scenario(route):
        assert isinstance(await route.sink.probe(asked("claim", "PCN-1001")), Retry)

    run(core, scenario)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_gateway_error_before_the_service_is_no_word_about_a_claim(status):
    """A proxy's page with a 5xx may come after the document was taken: it is asked after, not sent again."""
    answer = Answer(status, {"content-type": "text/html"}, b"<html>Gateway Timeout</html>")
    assert isinstance(_meaning(None, answer), Ambiguous)


def test_a_payer_that_is_down_is_asked_again_with_the_same_number(core):
    """AAA 42 is a retry; the second question has the first one's control number."""

    async def scenario(route):
        route.simulator.fail("payer-down")
        parcels: list[str] = []
        take = route.simulator.payer.take
        route.simulator.payer.take = lambda data, at: (parcels.append(data[90:99].decode()), take(data, at))[1]
        first = await route.send(asked())
        assert first == [Retry("payer-cannot-answer-now", 300.0)]
        (second,) = await route.send(asked())
        assert isinstance(second, Delivered)
        assert len(parcels) == 2
        assert len(set(parcels)) == 1

    run(core, scenario)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("busy", Retry("rate-limited", 1.0)), ("html", Ambiguous("not-core")), ("server-error", Ambiguous("core-Fault"))],
)
def test_trouble_at_the_service_is_no_refusal(core, fault, expected):
    """Limits are obeyed, a page with status 200 is not taken for an answer, nor is a fault of theirs."""

    async def scenario(route):
        route.simulator.fail(fault)
        assert await route.send(asked()) == [expected]
        (outcome,) = await route.send(asked())
        assert isinstance(outcome, Delivered)

    run(core, scenario)


def test_a_wrong_password_waits_and_says_so(core):
    """Services lock accounts: five minutes pass before the next attempt."""

    async def scenario(route):
        route.simulator.password = "changed"
        assert await route.send(asked()) == [Retry("unauthorized", 300.0)]

    run(core, scenario)


def test_what_was_sent_is_not_sent_again(core):
    """Another version that says the same is settled without sending; a changed claim waits for a person.

    A second policy that was entered since is no change of what was billed to the first payer.
    """

    async def scenario(route):
        await route.send(asked("claim", "PCN-1001"))
        again = msgspec.structs.replace(asked("claim", "PCN-1001"), key="version-2")
        assert await route.send(again) == [Delivered("unchanged since it was sent")]
        fewer = msgspec.structs.replace(CLAIM, lines=CLAIM.lines[:1], charge=CLAIM.lines[0].charge)
        changed = msgspec.structs.replace(asked("claim", "PCN-1001", claim=fewer), key="version-3")
        assert await route.send(changed) == [Rejected("changed-after-sending")]
        second = Coverage(member_id="SEC0001", priority=2, payer="payer-2")
        further = msgspec.structs.replace(asked("claim", "PCN-1001", other_policies=(second,)), key="version-4")
        assert await route.send(further) == [Retry("directory-lacks-later-payer", 60.0)]
        await route.send(delivery("Payer", "payer-2", Payer(name="Second Plan", payer_id="SEC01")))
        assert await route.send(further) == [Delivered("unchanged since it was sent")]
        replaced = msgspec.structs.replace(fewer, frequency="7", payer_claim_number="HMC1")
        (outcome,) = await route.send(msgspec.structs.replace(asked("claim", "PCN-1001", claim=replaced), key="4"))
        assert isinstance(outcome, Delivered)
        assert len(route.simulator.payer.taken) == 2

    run(core, scenario)


def test_a_claim_goes_once_more_when_somebody_says_so(core):
    """As it says by then, under another control number, once for each word that came; after it, changes wait again."""

    async def scenario(route):
        await route.send(asked("claim", "PCN-1001"))
        fewer = msgspec.structs.replace(CLAIM, lines=CLAIM.lines[:1], charge=CLAIM.lines[0].charge)
        word = datetime(2026, 7, 15, 12, tzinfo=UTC)
        for key, claim, again, outcome in (
            ("2", fewer, word, None), ("3", fewer, word, Delivered("unchanged since it was sent")),
            ("4", CLAIM, word, Rejected("changed-after-sending")), ("5", CLAIM, word + timedelta(hours=1), None),
        ):  # fmt: skip
            told = msgspec.structs.replace(asked("claim", "PCN-1001", claim=claim, again=again), key=key)
            (found,) = await route.send(told)
            assert found == outcome if outcome else isinstance(found, Delivered) and found.answers
        assert (len(route.simulator.payer.taken), route.simulator.payer.repeats) == (3, 0)

    run(core, scenario)


@pytest.mark.parametrize("kind", ["claim", "eligibility"])
def test_what_was_refused_goes_under_another_number_once_released(core, kind):
    """Under its old number a released document would look like a repeat, and nobody would read it."""

    async def scenario(route):
        route.simulator.fail("file-refused")
        assert await route.send(asked(kind, "PCN-1001")) == [Rejected("999-rejected")]
        await route.sink.close()
        route.open()
        (outcome,) = await route.send(asked(kind, "PCN-1001"))
        assert isinstance(outcome, Delivered)
        assert (len(route.simulator.payer.taken), route.simulator.payer.repeats) == (2, 0)
        assert await route.send(asked(kind, "PCN-1001")) == [Delivered("unchanged since it was sent")]

    run(core, scenario)


def test_a_status_question_is_asked_once_whatever_is_learned_later(core):
    """The payer's number came after the question: the payer sees no second question under the same number."""

    async def scenario(route):
        await route.send(asked("claim-status", "Q1"))
        wiser = msgspec.structs.replace(CLAIM, payer_claim_number="HMC1")
        again = msgspec.structs.replace(asked("claim-status", "Q1", claim=wiser), key="version-2")
        assert await route.send(again) == [Delivered("asked before under this number")]
        assert len(route.simulator.payer.taken) == 1

    run(core, scenario)


@pytest.mark.parametrize(("npi", "name"), [("1234567893", "EXAMPLE PHYSICAL THERAPY LLC"), ("1111111112", "EXAMPLE")])
def test_a_question_about_a_claim_made_elsewhere_names_who_billed(mailbox, npi, name):
    """The organization of the claim's own NPI; where the directory has none, the submitter's name beside that NPI."""

    async def scenario(route):
        claim = msgspec.structs.replace(CLAIM, billing_npi=npi)
        (outcome,) = await route.send(asked("claim-status", "Q2", claim=claim, location=None, practitioner=None))
        assert isinstance(outcome, Delivered)
        while not route.simulator.payer.taken:
            await asyncio.sleep(0.01)
        (sent,) = route.simulator.payer.taken.values()
        assert f"NM1*1P*2*{name}*****XX*{npi}~".encode() in sent

    run(mailbox, scenario)


def test_order_and_incomplete_documents(core):
    """What cannot be built is refused with its place; later ones of the same patient wait, others go."""

    async def scenario(route):
        bad = asked(number="E1", subject=None)
        other = msgspec.structs.replace(asked(number="E3"), order="patient-2")
        unknown = msgspec.structs.replace(asked(number="E4", payer="nobody"), order="patient-3")
        outcomes = await route.send(bad, asked(number="E2"), other, unknown)
        assert outcomes[0] == Rejected("incomplete-submission: loop 2000B")
        assert outcomes[1] == HELD
        assert isinstance(outcomes[2], Delivered)
        assert outcomes[3] == Retry("directory-lacks-payer", 60.0)
        assert await route.send(msgspec.structs.replace(asked(), change="removed")) == [Delivered("nothing to send")]

    run(core, scenario)


def test_a_claim_by_mailbox_comes_back_acknowledged_and_paid(mailbox):
    """999 and 277CA lie in the download folder, and later an 835 that balances and names the claim."""

    async def scenario(route):
        (outcome,) = await route.send(asked("claim", "PCN-1001"))
        assert isinstance(outcome, Delivered)
        found: dict[str, list[list[str]]] = {}
        while "835" not in found:
            await asyncio.sleep(0.05)
            for path in (route._folder / "mail/download").glob("[!.]*"):
                for body in _transactions(path.read_bytes()):
                    found[body[0][1]] = body
        assert found.keys() == {"999", "277", "835"}
        assert any(one[:2] == ["CLP", "PCN-1001"] for one in found["835"])

    run(mailbox, scenario)


def test_a_broken_upload_is_looked_for(mailbox):
    """While the server refuses to rename it is ambiguous; the probe says that it is not there, and it goes again."""

    async def scenario(route):
        route.simulator.sftp.fail("deny-rename")
        claim = asked("claim", "PCN-1001")
        outcomes = await route.send(claim)
        assert isinstance(outcomes[0], Ambiguous)
        assert await route.sink.probe(claim) == Retry("not-there")
        (outcome,) = await route.send(claim)
        assert isinstance(outcome, Delivered)

    run(mailbox, scenario)


def test_a_mailbox_that_refuses_the_login_is_tried_later(mailbox):
    """Nothing went, so it is a retry and not ambiguous."""

    async def scenario(route):
        route.simulator.sftp.users = {"clinic": "changed"}
        (outcome,) = await route.send(asked("claim", "PCN-1001"))
        assert isinstance(outcome, Retry)

    run(mailbox, scenario)


def test_a_memory_file_belongs_to_one_route(mailbox):
    """Two routes with one memory would give one control number to two documents."""

    async def scenario(route):
        with pytest.raises(InvalidConfiguration, match="Another route"):
            route.open()

    run(mailbox, scenario)


def owed() -> Delivery:
    """The acknowledgement of an 835 that the clearinghouse sent."""
    group = AcknowledgedGroup(id="HP", control="1", version="005010X221A1", received=2, accepted=2)
    one = Acknowledgement(
        sender="SHP01", sender_qualifier="ZZ", receiver="SUBM001", receiver_qualifier="ZZ", control="500000001",
        day="260714", time="0930", note="000", groups=(group,),
    )  # fmt: skip
    record = Submission(kind="acknowledgement", control_number="SHP01/500000001/260714/0930", acknowledgement=one)
    return delivery("Submission", "owed", record)


@pytest.mark.parametrize("connection", ["core-soap", "sftp"])
def test_what_a_sender_is_owed_goes_back_the_same_way_once(connection, tmp_path, monkeypatch):
    """TA1 and 999 go to the sender of the file in one interchange, and never a second time."""

    async def scenario(route):
        for _ in range(2):
            (outcome,) = await route.send(owed())
            assert isinstance(outcome, Delivered), outcome
            await route.sink.close()
            route.open()
        while not route.simulator.payer.acknowledged:
            await asyncio.sleep(0.02)
        (sent,) = route.simulator.payer.acknowledged
        text = sent.decode()
        assert text[35:50].strip() == "SUBM001"
        assert text[54:69].strip() == "SHP01"
        assert "~TA1*500000001*260714*0930*A*000~" in text
        assert "~AK1*HP*1*005010X221A1~AK9*A*2*2*2~" in text

    run(Route(tmp_path, connection, monkeypatch), scenario)
