"""The payer behind the simulated clearinghouse: reads what comes in and answers as payers do, the same for a seed.

It reads X12 by its own few lines, so that a fault in the gateway's reader does not hide one in its writer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from gateway.wire.x12_acknowledge import functional_acknowledgements, interchange_acknowledgement, received
from gateway.wire.x12_write import Body, Envelope, TransactionSet, day, interchange, number
from gateway_clearinghouse.simulator_remit import Adjudicated, adjudicate, remittance

Segments = list[list[str]]


class Replies(Struct):
    """What the clearinghouse sends back: at once over CORE, as files through a mailbox."""

    acknowledgements: list[bytes]
    """TA1 and 999."""
    answers: list[bytes]
    """271, 277, 277CA, 278."""


class SimulatedPayer:
    """One payer with a memory of its claims.

    Args:
        seed: the same seed and the same documents give the same answers.
        down: whether it says that it cannot answer now (AAA 42).
        shows: whether to show ``file-refused`` (999) or ``claim-refused`` (277CA) now.
    """

    def __init__(self, seed: int, *, down: bool = False, shows: Callable[[str], bool] = lambda _: False) -> None:
        self.down = down
        self._shows = shows
        self.taken: dict[str, bytes] = {}
        """Every interchange by its control number, as it first came."""
        self.repeats = 0
        self.acknowledged: list[bytes] = []
        """Interchanges of acknowledgements only, which nobody answers."""
        self.claims: dict[str, Adjudicated] = {}
        self._seed = seed
        self._number = 0
        self._unpaid: list[Adjudicated] = []
        self._paid: list[Adjudicated] = []

    def take(self, data: bytes, at: datetime) -> Replies:
        """Acknowledge and answer one interchange; a repeat of a control number is refused by TA1 025."""
        (one,) = received(data)
        known = self.taken.setdefault(one.control, data)
        if known is not data:
            self.repeats += 1
            return Replies([self._write(data, at, (), ta1=[interchange_acknowledgement(one, "025")])], [])
        if all(group.id == "FA" for group in one.groups):
            self.acknowledged.append(data)
            return Replies([], [])
        if self._shows("file-refused"):
            groups = tuple(replace(group, accepted=0, sets=(), codes=("5",)) for group in one.groups)
            return Replies([self._write(data, at, functional_acknowledgements(replace(one, groups=groups)))], [])
        acknowledged = [self._write(data, at, functional_acknowledgements(one))]
        answers = [made for body in _transactions(data) if (made := self._answer(body, at)) is not None]
        return Replies(acknowledged, [self._write(data, at, [made]) for made in answers])

    def remit(self, at: datetime) -> bytes | None:
        """One 835 for what was adjudicated since the last, at times with an earlier payment reversed and corrected."""
        if not self._unpaid:
            return None
        self._number += 1
        now, self._unpaid = self._unpaid, []
        random = Random(f"{self._seed}/{self._number}")  # noqa: S311 - invented data, the same for the same seed
        again = [one for one in self._paid if random.random() < 0.1]
        self._paid = [one for one in self._paid if one not in again] + [one for one in now if one.paid]
        body = remittance(now, again, at.date(), f"EFT{self._seed % 10_000:04d}{self._number:07d}")
        envelope = Envelope(sender="SHP01", receiver="GATEWAY", control=500_000_000 + self._number, made=at)
        return interchange(envelope, [TransactionSet(id="835", version="005010X221A1", body=body)])

    def _write(self, data: bytes, at: datetime, sets: object, ta1: list[Body] | None = None) -> bytes:
        isa = data[:106].decode().split(data[3:4].decode())
        self._number += 1
        envelope = Envelope(
            sender=isa[8].strip(), sender_qualifier=isa[7], receiver=isa[6].strip(), receiver_qualifier=isa[5],
            control=900_000_000 + self._number, made=at,
        )  # fmt: skip
        return interchange(envelope, sets if isinstance(sets, list) else [], ta1=ta1 or [])

    def _answer(self, body: Segments, at: datetime) -> TransactionSet | None:
        match body[0][1]:
            case "270":
                return TransactionSet(id="271", version="005010X279A1", body=self._benefits(body, at))
            case "276":
                return TransactionSet(id="277", version="005010X212", body=self._status(body, at))
            case "278":
                return TransactionSet(id="278", version="005010X217", body=self._review(body, at))
            case "837":
                return TransactionSet(id="277", version="005010X214", body=self._accepted(body, at))
        return None

    def _benefits(self, body: Segments, at: datetime) -> tuple[Body, ...]:
        """271: the question's own levels with benefits below the patient."""
        member = next(one[9] for one in body if one[:2] == ["NM1", "IL"])
        random = Random(f"{self._seed}/{member}")  # noqa: S311 - as above
        answer: list[Body] = []
        for one in body[2:]:
            if one[0] == "TRN":
                answer.append(("TRN", "2", *one[2:]))
            elif one[0] not in ("EQ", "INS", "SE", "DTP"):
                answer.append(tuple(one))
        if self.down:
            answer.append(("AAA", "Y", "", "42", "R"))
        elif random.random() < 0.05:
            answer.append(("AAA", "N", "", "75", "C"))
        else:
            left = random.randrange(2, 30)
            answer += [
                ("DTP", "346", "D8", f"{at.year}0101"),
                ("EB", "1", "", "30^PT", "", "PPO GOLD"),
                ("EB", "C", "IND", "30", "", "", "23", "1500", "", "", "", "", "W"),
                ("EB", "C", "IND", "30", "", "", "29", str(random.randrange(1500)), "", "", "", "", "W"),
                ("EB", "B", "", "PT", "", "", "", str(random.choice((20, 30, 40))), "", "", "", "", "Y"),
                ("EB", "A", "", "PT", "", "", "", "", ".2", "", "", "", "N"),
                ("EB", "F", "", "PT", "", "", "23", "", "", "VS", "30", "Y", "Y"),
                ("EB", "F", "", "PT", "", "", "29", "", "", "VS", str(left), "Y", "Y"),
            ]
        return (("BHT", "0022", "11", body[1][3], day(at.date()), f"{at:%H%M}"), *answer)

    def _status(self, body: Segments, at: datetime) -> tuple[Body, ...]:
        """277: finalized when it was paid or denied, pending when not, not found when it never came."""
        answer: list[Body] = [("BHT", "0010", "08", body[1][3], day(at.date()), f"{at:%H%M}", "DG")]
        for one in body[2:]:
            if one[0] == "TRN":
                known = self.claims.get(one[2])
                waiting = known is not None and known in self._unpaid
                code = "A4:35" if known is None else "P1:20" if waiting else "F1:65" if known.paid else "F2:9"
                money = (number(known.charge), number(known.paid)) if known and not waiting else ()
                answer += [("TRN", "2", one[2]), ("STC", (*code.split(":"),), day(at.date()), "", *money)]
            elif one[0] in ("HL", "NM1"):
                answer.append(tuple(one))
        return tuple(answer)

    def _review(self, body: Segments, at: datetime) -> tuple[Body, ...]:
        """278: granted, granted smaller, pended or denied."""
        trace = next(one[2] for one in body if one[0] == "TRN")
        random = Random(f"{self._seed}/{trace}")  # noqa: S311 - as above
        outcome = random.choices(("A1", "A6", "A4", "A3"), (70, 15, 10, 5))[0]
        last = "19" if outcome == "A4" else "18"
        answer: list[Body] = [("BHT", "0007", "11", body[1][3], day(at.date()), f"{at:%H%M}", last)]
        event = next(place for place, one in enumerate(body) if one[0] == "HL" and one[3] == "EV")
        answer += [tuple(one) for one in body[2:event] if one[0] != "PER"]
        asked = {one[0]: one for one in body[event:] if one[0] in ("HL", "UM", "HSD", "DTP")}
        visits = int(next((one[2] for one in body[event:] if one[0] == "HSD"), "0"))
        answer += [("HL", *body[event][1:4], "0"), ("TRN", "2", trace, *_rest(body, "TRN")), _um(body[event:])]
        granted = f"AUTH{random.randrange(10**6):06d}"
        decided = {"A1": ("A1", granted), "A6": ("A6", granted), "A4": ("A4", "", "0V"), "A3": ("A3", "", "0F")}
        answer.append(("HCR", *decided[outcome]))
        if outcome == "A4":
            answer.append(("REF", "NT", f"P{random.randrange(10**8):08d}"))
        if "DTP" in asked:
            answer.append(("DTP", "AAH", *asked["DTP"][2:]))
        if visits and outcome in ("A1", "A6"):
            answer.append(("HSD", "VS", str(visits if outcome == "A1" else max(visits * 2 // 3, 1))))
        return tuple(answer)

    def _accepted(self, body: Segments, at: datetime) -> tuple[Body, ...]:
        """277CA: the claim is accepted, and adjudicated at once for the next remittance; or refused."""
        claim = adjudicate(body, Random(f"{self._seed}/{next(one[1] for one in body if one[0] == 'CLM')}"))  # noqa: S311 - as above
        refused = self._shows("claim-refused")
        if not refused:
            self.claims[claim.control] = claim
            self._unpaid.append(claim)
        when, charge = day(at.date()), number(claim.charge)
        names = {one[1]: tuple(one) for one in body if one[0] == "NM1"}
        patient = names.get("QC", names["IL"])
        return (
            ("BHT", "0085", "08", body[1][3], when, f"{at:%H%M}", "TH"),
            ("HL", "1", "", "20", "1"), names["PR"], ("TRN", "1", f"277CA{claim.control}"[:50]),
            ("DTP", "050", "D8", when), ("DTP", "009", "D8", when),
            ("HL", "2", "1", "21", "1"), names["41"], ("TRN", "2", body[1][3]),
            ("STC", ("A1", "19", "PR"), when, "WQ", charge), ("QTY", "90", "1"), ("AMT", "YU", charge),
            ("HL", "3", "2", "19", "1"), names["85"], ("TRN", "1", "0"), ("STC", ("A1", "19", "PR"), "", "WQ", charge),
            ("QTY", "QA", "1"), ("AMT", "YU", charge),
            ("HL", "4", "3", "PT"), ("NM1", "QC", *patient[2:]), ("TRN", "2", claim.control),
            *([("STC", ("A3", "33", "IL"), when, "U", charge)] if refused else
              [("STC", ("A2", "20", "PR"), when, "WQ", charge), ("REF", "1K", claim.payer_number)]),
            ("DTP", "472", "D8", day(claim.treated)),
        )  # fmt: skip


def _transactions(data: bytes) -> list[Segments]:
    """Each transaction from ST to before SE."""
    found: list[Segments] = []
    element, end = data[3:4].decode(), data[105:106].decode()
    inside = False
    for text in data.decode("latin-1").split(end):
        elements = text.strip().split(element)
        if elements[0] == "ST":
            inside = True
            found.append([])
        inside = inside and elements[0] != "SE"
        if inside:
            found[-1].append(elements)
    return found


def _rest(body: Segments, id: str) -> list[str]:
    return next(one[3:] for one in body if one[0] == id)


def _um(event: Segments) -> Body:
    """UM with its place of service as the composite it is."""
    told = next(one for one in event if one[0] == "UM")
    return (*told[:4], *(tuple(part.split(":")) for part in told[4:]))
