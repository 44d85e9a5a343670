"""``[polling]``: how much is asked of vendors, beside what each source's own credential may ask."""

from __future__ import annotations

from pydantic import Field

from gateway.settings_keys import Name, Part


class Budget(Part):
    """How many requests are allowed within any so many seconds."""

    requests: int = Field(gt=0, description="Requests allowed.")
    seconds: float = Field(60.0, gt=0, le=86_400, description="Within any so many seconds.")


class VendorBudget(Part):
    """``[polling.vendors.<adapter>]``."""

    together: Budget | None = Field(
        default=None, description="All sources of this adapter together, where the vendor counts by our address."
    )
    endpoint: Budget | None = Field(default=None, description="Each endpoint of each source.")


class Polling(Part):
    """``[polling]``."""

    at_once: int = Field(default=32, gt=0, le=1000, description="Streams that may be polled at one time.")
    vendors: dict[Name, VendorBudget] = Field(
        default_factory=dict, description="Budgets by adapter, beside the one of each credential."
    )
