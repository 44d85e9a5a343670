"""EMR gateway: one ledger of appointments, authorizations and remittances from every system a therapy group runs."""

__version__ = "0.1.0"
