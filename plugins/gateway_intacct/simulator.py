"""A Sage Intacct company on this machine: sign-in and sessions, control ids taken once, the checks of a GLBATCH.

It books what it is told even when its answer is lost. Every name and amount in it is made up.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from xml.etree.ElementTree import Element

from aiohttp import web
from defusedxml.ElementTree import fromstring

from gateway.model.exchange import RateBudget
from gateway.testing.simulated_api import AFTER, SimulatedApi, SimulatedSystem

SENDER, SENDER_PASSWORD = "simulated-sender", "simulated-sender-password"
COMPANY, USER, PASSWORD = "simulated-company", "simulated-user", "simulated-password"
PATH = "/ia/xml/xmlgw.phtml"


class Refused(Exception):
    """A function fails with an error number."""


class Ledger(SimulatedApi):
    """One company's general ledger.

    Args:
        accounts: numbers of its accounts; any number is one when not given.
    """

    def __init__(self, accounts: frozenset[str] = frozenset()) -> None:
        super().__init__(RateBudget(requests=10_000, seconds=60.0))
        self.batches: dict[str, Element] = {}
        """GLBATCH elements by record number."""
        self.closed_until: date | None = None
        """Books are closed up to and with this day."""
        self.sessions: set[str] = set()
        """Sessions that are good now."""
        self._accounts = accounts
        self._numbers = itertools.count(1)
        self._controls: set[str] = set()

    def routes(self, router: web.UrlDispatcher) -> None:
        """The XML gateway."""
        router.add_post(PATH, self._receive)

    def refusal(self, request: web.Request) -> web.Response | None:
        """Who asks is told in the body, so no request is refused by its head."""
        del request
        return None

    async def _receive(self, request: web.Request) -> web.Response:
        root = fromstring(await request.read())
        control = root.findtext("control/controlid") or ""
        if (root.findtext("control/senderid"), root.findtext("control/password")) != (SENDER, SENDER_PASSWORD):
            return _answer("<control><status>failure</status></control>" + _errors("XL03000006"))
        if not 1 <= len(control) <= 256:
            return _answer("<control><status>failure</status></control>" + _errors("XMLGW_JPP0002"))
        if root.findtext("control/uniqueid") == "true":
            if control in self._controls:
                return _answer("<control><status>failure</status></control>" + _errors("XL03000009"))
            self._controls.add(control)
        head = f"<control><status>success</status><controlid>{control}</controlid></control>"
        if not self._known(root):
            refused = f"<authentication><status>failure</status></authentication>{_errors('XL03000006')}"
            return _answer(f"{head}<operation>{refused}</operation>")
        signed = f"<authentication><status>success</status><companyid>{COMPANY}</companyid></authentication>"
        try:
            result = self._function(root, request)
        except Refused as error:
            result = f"<result><status>failure</status>{_errors(str(error))}</result>"
        answer = _answer(f"{head}<operation>{signed}{result}</operation>")
        return await self.after(request, answer) if root.find(".//create") is not None else answer

    def _known(self, root: Element) -> bool:
        who = root.find("operation/authentication/login")
        if who is None:
            return root.findtext("operation/authentication/sessionid") in self.sessions
        return (who.findtext("companyid"), who.findtext("userid"), who.findtext("password")) == (
            COMPANY,
            USER,
            PASSWORD,
        )

    def _function(self, root: Element, request: web.Request) -> str:
        if root.find(".//getAPISession") is not None:
            id = f"session-{next(self._numbers)}"
            self.sessions.add(id)
            endpoint = f"http://{request.host}{PATH}"
            api = f"<api><sessionid>{id}</sessionid><endpoint>{endpoint}</endpoint><locationid/></api>"
            return f"<result><status>success</status><function>getAPISession</function><data>{api}</data></result>"
        batch = root.find(".//GLBATCH")
        if batch is not None:
            key = self._book(batch)
            return f"<result><status>success</status><function>create</function><key>{key}</key></result>"
        wanted = root.findtext(".//query/filter/equalto/value")
        hits = [key for key, one in self.batches.items() if one.findtext("REFERENCENO") == wanted]
        rows = "".join(f"<GLBATCH><RECORDNO>{key}</RECORDNO></GLBATCH>" for key in hits)
        data = f'<data listtype="GLBATCH" totalcount="{len(hits)}" count="{len(hits)}">{rows}</data>'
        return f"<result><status>success</status><function>query</function>{data}</result>"

    def _book(self, batch: Element) -> str:
        day = datetime.strptime(batch.findtext("BATCH_DATE") or "", "%m/%d/%Y").date()  # noqa: DTZ007 - a date alone
        entries = batch.findall("ENTRIES/GLENTRY")
        if len(entries) < 2 or sum(map(signed, entries), Decimal(0)):
            raise Refused("BL03000018")
        if self._accounts and any(one.findtext("ACCOUNTNO") not in self._accounts for one in entries):
            raise Refused("BL03000130")
        if self.closed_until is not None and day <= self.closed_until:
            raise Refused("BL03002004")
        key = str(next(self._numbers))
        self.batches[key] = batch
        return key

    def balances(self) -> Mapping[str, Decimal]:
        """Sum of each account; debits are positive."""
        sums: dict[str, Decimal] = {}
        for batch in self.batches.values():
            for one in batch.findall("ENTRIES/GLENTRY"):
                account = one.findtext("ACCOUNTNO") or ""
                sums[account] = sums.get(account, Decimal("0.00")) + signed(one)
        return sums


def signed(entry: Element) -> Decimal:
    """Amount of a GLENTRY; debits are positive."""
    return Decimal(entry.findtext("TRX_AMOUNT") or "") * int(entry.findtext("TR_TYPE") or "")


def _errors(number: str) -> str:
    error = f"<error><errorno>{number}</errorno><description/><description2>Simulated</description2></error>"
    return f"<errormessage>{error}</errormessage>"


def _answer(inner: str) -> web.Response:
    """Failures of the business come with status 200, as all else."""
    return web.Response(text=f"<response>{inner}</response>", content_type="application/xml")


def _tell(api: SimulatedApi) -> Mapping[str, str]:
    return {
        "url": f"{api.base_url}{PATH}", "sender_id": SENDER, "sender_password": SENDER_PASSWORD, "company": COMPANY,
        "user": USER, "password": PASSWORD, "allow_loopback": "true",
    }  # fmt: skip


SIMULATORS = (SimulatedSystem("intacct", "A Sage Intacct company.", lambda _seed, _size: Ledger(), _tell, AFTER),)
