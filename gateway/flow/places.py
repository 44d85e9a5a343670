"""Where the sealed values of a message's life are: the cells that encryption binds them to and access entries name."""

from __future__ import annotations

from gateway.vault import Place, row_bytes


def message_place(tenant: str, message_id: int) -> Place:
    """The bytes of a message."""
    return Place(tenant, "messages", "box", row_bytes(message_id))


def context_place(tenant: str, context_id: int) -> Place:
    """The envelope that messages of one batch share."""
    return Place(tenant, "contexts", "box", row_bytes(context_id))


def change_place(tenant: str, record_id: bytes, version: int) -> Place:
    """The content of one version of a record."""
    return Place(tenant, "changes", "box", row_bytes(change_row(record_id, version)))


def change_row(record_id: bytes, version: int) -> str:
    """The name under which access entries list one version of a record."""
    return f"{record_text(record_id)}/{version}"


def record_text(record_id: bytes) -> str:
    """A record's id as it is written."""
    text = record_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def record_bytes(record_id: str) -> bytes:
    """The reverse of :func:`record_text`, of an id that the gateway wrote itself."""
    return bytes.fromhex(record_id.replace("-", ""))


def group_place(tenant: str, reactor: str, group: bytes) -> Place:
    """What a reactor's group is called, and what it made."""
    return Place(tenant, "reactor_groups", "box", row_bytes(group_row(reactor, group)))


def group_row(reactor: str, group: bytes) -> str:
    """The name under which access entries list a reactor's group."""
    return f"{reactor}/{group.hex()}"
