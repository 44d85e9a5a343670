"""The ``gateway.toml`` of the demo: one clinic group, three sources, two routes, two views."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings import Part

API_KEY_VARIABLE = "GATEWAY_DEMO_API_KEY"
SECRET_FILE = "webhook.secret"  # noqa: S105 - the name of a file, not what it holds
DROP = "drop"
OUT = "out/billing"
TENANT = "clinic"
HOSPITAL, PRACTICE, PAYER = "hospital", "northside-cliniko", "clearinghouse"
POLL_SECONDS = 6.0
"""Sixteen lists every six seconds stay within the vendor's request limit."""

_TEXT = """\
# Written by `gateway demo`. Everything here is made up and on this machine only.
[data]
directory = "data"

[keys]
provider = "file"
keystore = "keys/keystore.db"

[keys.config]
path = "keys/root.key"

[log]
level = "error"                 # the demo's own screen tells what happens

[[tenants]]
name = "{tenant}"

[[sources]]                     # a hospital partner that speaks HL7 v2 over MLLP
name = "{hospital}"
tenant = "{tenant}"
adapter = "hl7"
zone = "America/Chicago"

[sources.config]
port = {mllp_port}

[[sources]]                     # one clinic's practice software, polled
name = "{practice}"
tenant = "{tenant}"
adapter = "cliniko"
zone = "America/Chicago"

[sources.config]
base_url = "{api_url}"
api_key = "env:{variable}"
contact_email = "demo@example.com"
poll_seconds = {poll_seconds}
overlap_seconds = 1

[[sources]]                     # remittances, dropped as files
name = "{payer}"
tenant = "{tenant}"
adapter = "x12"
zone = "America/Chicago"

[sources.config]
folder = "{drop}"
poll_seconds = 0.3

[[routes]]                      # the reminder system may know who comes when, and how to reach them
name = "reminders"
tenant = "{tenant}"
sink = "webhook"
view = "who-comes-when"
purpose = "treatment"
recipient = "reminder system"

[routes.config]
url = "{hook_url}"
secrets = ["file:{secret}"]
allow_loopback = true

[[routes]]                      # billing may know what was paid, and nothing of the schedule
name = "billing"
tenant = "{tenant}"
sink = "files"
view = "what-was-paid"
purpose = "payment"
recipient = "billing office"

[routes.config]
folder = "{out}"
formats = ["ndjson", "csv"]

[views.who-comes-when]
Appointment = ["start", "end", "zone", "status", "patient"]
Patient = ["name", "contacts", "language"]

[views.what-was-paid]
ClaimPayment = ["status", "charge", "paid", "patient_responsibility", "patient_control_number", "adjustments"]
Remittance = ["amount", "trace_number", "payment_date", "payer_name", "balanced", "difference"]
"""


class DemoConfig(Part):
    """What differs from one demo to the next."""

    mllp_port: int = Field(ge=1, le=65535, description="Loopback port of the MLLP listener.")
    api_url: str = Field(description="Address of the simulated vendor API.")
    hook_url: str = Field(description="Address of the webhook receiver.")

    def write(self, folder: Path) -> Path:
        """Write ``gateway.toml`` into ``folder``; returns its path."""
        path = folder / "gateway.toml"
        text = _TEXT.format(
            tenant=TENANT, hospital=HOSPITAL, practice=PRACTICE, payer=PAYER, variable=API_KEY_VARIABLE,
            poll_seconds=POLL_SECONDS, drop=DROP, secret=SECRET_FILE, out=OUT, **self.model_dump(),
        )  # fmt: skip
        path.write_text(text, encoding="utf-8")
        return path
