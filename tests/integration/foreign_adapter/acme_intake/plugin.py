"""Everything a third party needs to write: an object of the adapter's shape, and one hook that returns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from pydantic import BaseModel, ConfigDict

from gateway.errors import InvalidContent
from gateway.hookspecs import API_VERSION, hookimpl
from gateway.mapping import Mapping
from gateway.model.exchange import AdapterInfo, Finding, Item, Stream, Transport
from gateway.model.patch import Normalized

HEAD = b"ACME1\n"
FIELDS = ("control", "patient", "appointment", "start", "status")


class AcmeConfig(BaseModel):
    """Acme needs no settings."""

    model_config = ConfigDict(extra="forbid")


class Acme:
    """Reads Acme's files."""

    info = AdapterInfo(
        name="acme",
        version="3.1",
        api=API_VERSION,
        summary="Appointments from Acme's front desk files.",
        streams=(Stream(name="files", types=("Appointment",), mode="file"),),
        gaps=("Acme does not say who treats.",),
    )
    config: type[BaseModel] = AcmeConfig
    mappings: Traversable = files("acme_intake") / "mappings"

    def recognize(self, head: bytes) -> bool:
        """By the first line."""
        return head.startswith(HEAD)

    def cut(self, chunks: Iterable[bytes], config: BaseModel) -> Iterator[Item | Finding]:
        """One message per line after the first."""
        lines = b"".join(chunks).split(b"\n")
        offset = len(lines[0]) + 1
        for number, line in enumerate(lines[1:], 2):
            values = line.decode("utf-8").split("|")
            if len(values) == len(FIELDS):
                yield Item(body=line, kind="line", control_id=values[0], order_key=values[1], offset=offset)
            elif line:
                fix = f"Send {len(FIELDS)} fields."
                yield Finding(
                    reason="wrong-fields", what="A line is not an appointment", where=f"line {number}", fix=fix
                )
            offset += len(line) + 1

    def path(self, text: str) -> Callable[[object], object]:
        """A field by its name."""
        return lambda record: record[text] if isinstance(record, dict) else None

    def normalizer(self, config: BaseModel, mapping: Mapping) -> Callable[[bytes, bytes], Normalized]:
        """From a line to patches."""

        def normalize(body: bytes, context: bytes) -> Normalized:
            values = body.decode("utf-8").split("|")
            if len(values) != len(FIELDS):
                raise InvalidContent("wrong-fields", "The line is not an appointment", where="line")
            return Normalized(patches=mapping.patches("line", dict(zip(FIELDS, values, strict=True))))

        return normalize

    def transports(self, name: str, config: BaseModel) -> Sequence[Transport]:
        """Files only."""
        return ()


@hookimpl
def gateway_adapters() -> Sequence[Acme]:
    """The adapter ``acme``."""
    return [Acme()]
