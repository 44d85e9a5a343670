"""The ``gateway.toml`` of the demo: one clinic group, its payers, its bank, its texts and its books."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template

from pydantic import Field

from gateway.model.ledger_entry import AccountRole
from gateway.settings import Part

API_KEY_VARIABLE = "GATEWAY_DEMO_API_KEY"
FHIR_VARIABLE = "GATEWAY_DEMO_FHIR"
SFTP_VARIABLE = "GATEWAY_DEMO_SFTP"
TWILIO_VARIABLE = "GATEWAY_DEMO_TWILIO"
BOOKS_VARIABLE = "GATEWAY_DEMO_BOOKS"
WESTSIDE_VARIABLE, JANE_VARIABLE = "GATEWAY_DEMO_WESTSIDE", "GATEWAY_DEMO_JANE"
SECRET_FILE = "webhook.secret"  # noqa: S105 - the name of a file, not what it holds
MAILBOX = "mailbox"
DROP = "mailbox/download"
BANK_FOLDER = "bank"
OUT = "out/billing"
MEMORY = "payers.memory"
OVERLAY = "overlay"
TENANT = "clinic"
HOSPITAL, PRACTICE, CLINIC = "hospital", "northside-cliniko", "eastside-fhir"
MOVING_FROM, MOVING_TO, NIGHTLY = "westside-cliniko", "riverside-jane", "lakeside-webpt"
CLINICS = (HOSPITAL, PRACTICE, CLINIC, MOVING_FROM, MOVING_TO, NIGHTLY)
PAYER, BANK, TEXTS = "clearinghouse", "bank", "texts"
OWN_NUMBER = "+15005550006"
POLL_SECONDS = 6.0
"""Sixteen lists every six seconds stay within the vendor's request limit."""
ACCOUNTS: dict[AccountRole, str] = {
    "cash": "35", "payer-receivable": "91", "patient-receivable": "92", "revenue": "1", "contractual-adjustment": "5",
    "write-off": "6", "refund-liability": "7", "interest": "8", "fees": "9", "clearing": "84",
}  # fmt: skip
"""The books' own number of each account."""
RECEIVABLES = frozenset({ACCOUNTS["payer-receivable"], ACCOUNTS["patient-receivable"]})
_PARTS = ("config_sources.toml", "config_reactors.toml", "config_group.toml", "config_routes.toml")


class DemoConfig(Part):
    """What differs from one demo to the next."""

    mllp_port: int = Field(ge=1, le=65535, description="Loopback port of the MLLP listener.")
    http_port: int = Field(ge=1, le=65535, description="Loopback port of the gateway's own HTTP.")
    noon: str = Field(description="IANA zone in which it is about noon now.")
    api_url: str = Field(description="Address of the simulated vendor API.")
    westside_url: str = Field(description="Address of the clinic that moves from Cliniko.")
    riverside_url: str = Field(description="Address of the same clinic at Jane, and of Jane's identity provider.")
    jane_client: str = Field(description="The id under which Jane knows the gateway.")
    jane_tokens: str = Field(description="File of the consent.")
    extracts: str = Field(description="Folder of the nightly extract.")
    hook_url: str = Field(description="Address of the webhook receiver.")
    fhir_url: str = Field(description="Base address of the simulated FHIR server.")
    fhir_client: str = Field(description="The id under which that server knows the gateway.")
    sftp_port: int = Field(ge=1, le=65535, description="Loopback port of the clearinghouse's mailbox.")
    sftp_user: str = Field(description="User of the mailbox.")
    sftp_key: str = Field(description="Host key of the mailbox.")
    twilio_url: str = Field(description="Address of the simulated Twilio.")
    twilio_account: str = Field(description="Its account.")
    books_url: str = Field(description="Address of the simulated QuickBooks.")
    company: str = Field(description="Its company.")

    def http_url(self) -> str:
        """Where the gateway itself answers."""
        return f"http://127.0.0.1:{self.http_port}"

    def write(self, folder: Path) -> Path:
        """Write ``gateway.toml`` and the overlay it names into ``folder``; returns its path."""
        (folder / OVERLAY).mkdir(exist_ok=True)
        (folder / OVERLAY / "visit.toml").write_text(_shipped("config_overlay.toml"), encoding="utf-8")
        path = folder / "gateway.toml"
        text = Template("".join(map(_shipped, _PARTS))).substitute(
            self.model_dump(), tenant=TENANT, hospital=HOSPITAL, practice=PRACTICE, clinic=CLINIC, payer=PAYER,
            bank=BANK, texts=TEXTS, variable=API_KEY_VARIABLE, fhir_variable=FHIR_VARIABLE,
            sftp_variable=SFTP_VARIABLE, twilio_variable=TWILIO_VARIABLE, books_variable=BOOKS_VARIABLE,
            westside_variable=WESTSIDE_VARIABLE, jane_variable=JANE_VARIABLE, moving_from=MOVING_FROM,
            moving_to=MOVING_TO, nightly=NIGHTLY,
            poll_seconds=POLL_SECONDS, drop=DROP, bank_folder=BANK_FOLDER, secret=SECRET_FILE, out=OUT, memory=MEMORY,
            own_number=OWN_NUMBER, accounts="\n".join(f'{role} = "{number}"' for role, number in ACCOUNTS.items()),
        )  # fmt: skip
        path.write_text(text, encoding="utf-8")
        return path


def _shipped(name: str) -> str:
    return files("gateway_demo").joinpath(name).read_text("utf-8")
