"""View usage: what each view grants, what of it was sent or asked for, and the narrower view that would have done.

Minimum necessary (45 CFR 164.502(b)) is a question that only use can answer. A route tells which granted fields its
deliveries held; a client which record types it asked for and got. A field that no delivery of a granted type ever held
costs nobody anything when it is taken out of the view, nor does a type that nobody asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.access import View
from gateway.access.views import NATIVE_ID
from gateway.store.view_usage import Fetched, Sent


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One view, as it was used."""

    view: str
    routes: tuple[str, ...]
    clients: tuple[str, ...]
    granted: dict[str, tuple[str, ...]]
    sent: dict[str, dict[str, int]]
    """By type and field, how many deliveries held it."""
    asked: dict[str, int]
    """By type, how many rows of pages clients asked for and got."""
    unused: dict[str, tuple[str, ...]]
    """Granted, and neither sent by a route nor of a type that a client asked for."""
    proposal: dict[str, tuple[str, ...]]
    """The narrower view; empty when nothing was used yet, for then nothing is known."""


def usage(
    view: View, routes: Sequence[str], clients: Sequence[str], sent: Iterable[Sent], fetched: Iterable[Fetched]
) -> Usage:
    """How one view was used by the routes and clients that have it.

    Pages that were made under an earlier text of the view count where their types still are granted.
    """
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in sent:
        if one.route in routes and one.type in view.grants:
            held[one.type].update(dict.fromkeys(one.fields, one.times))
    asked: Counter[str] = Counter()
    for page in fetched:
        if page.client in clients:
            asked.update(dict.fromkeys((name for name in page.types if name in view.grants), page.times))
    used = {name: _used(paths, held.get(name, {}), name in asked) for name, paths in view.grants.items()}
    return Usage(
        view=view.name, routes=tuple(routes), clients=tuple(clients), granted=dict(view.grants),
        sent={name: dict(sorted(counts.items())) for name, counts in sorted(held.items())},
        asked=dict(sorted(asked.items())),
        unused={name: left for name, paths in view.grants.items() if (left := _left(paths, used[name]))},
        proposal=_proposed(view, used),
    )  # fmt: skip


def _proposed(view: View, used: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What was used; ids are kept where granted, for they are told with other records than the one they name."""
    kept = {name: paths for name, paths in used.items() if paths}
    ids = {name: (*kept.get(name, ()), NATIVE_ID) for name in sorted(view.native)}
    return kept | ids if kept else {}


def _used(paths: Sequence[str], held: Mapping[str, int], asked: bool) -> tuple[str, ...]:
    """What to keep: all of a type that was asked for over HTTP, since a page does not tell which fields it held."""
    return tuple(path for path in paths if asked or _was_held(path, held))


def _left(paths: Sequence[str], used: Sequence[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if path not in used)


def _was_held(path: str, held: Mapping[str, int]) -> bool:
    return path in held or any(name.startswith(f"{path}.") for name in held)
