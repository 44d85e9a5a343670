"""The whole suite for one adapter, from its files to its certificate."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import structlog

from gateway import logs
from gateway.model.exchange import Item
from gateway.testing.conformance import Certificate, Result, disagreements, exempted, judged, not_run, reached
from gateway.testing.conformance_drift import drift_rule
from gateway.testing.conformance_golden import golden_rule, parts
from gateway.testing.conformance_house import House
from gateway.testing.conformance_kill import kill_rule
from gateway.testing.conformance_live import Lived, Pace, Rehearsal, plain_text_in
from gateway.testing.conformance_static import capabilities_rule, docs_rule, errors_rule, quarantine_rule, speed_rule
from gateway.testing.conformance_subject import Subject


def certify(subject: Subject, pace: Pace | None = None, *, killing: bool = True) -> Certificate:
    """Run every rule on one adapter.

    Args:
        subject: the adapter and what lies beside it.
        pace: how long to wait; the ordinary one when not given.
        killing: whether to start and kill a process too.
    """
    pace = pace or Pace()
    with tempfile.TemporaryDirectory(prefix="certify-") as made:
        results = _run(subject, pace, Path(made))
        if killing:
            with tempfile.TemporaryDirectory(prefix="certify-") as other, _listening():
                results.append(asyncio.run(kill_rule(subject, pace, Path(other))))
        else:
            results.append(not_run("resumes-after-kill", "processes were not to be started"))
    with tempfile.TemporaryDirectory(prefix="certify-") as drifting, _listening():
        results.append(asyncio.run(drift_rule(subject, pace, Path(drifting))))
    found = exempted(results, subject.quality)
    tier, info = reached(found), subject.adapter.info
    return Certificate(
        adapter=info.name, version=info.version, api=info.api, tier=tier, results=found,
        disagreements=tuple(disagreements(found, tier, subject.quality)),
    )  # fmt: skip


def _run(subject: Subject, pace: Pace, folder: Path) -> list[Result]:
    with _listening() as heard:
        results = [_safely("golden-messages", golden_rule, subject), errors_rule(subject), docs_rule(subject)]
        lived, written = asyncio.run(_live(subject, pace, folder))
        results += lived.results
        golden = _golden_items(subject)
        items = lived.items or golden
        source = lived.source or subject.bound()
        results.append(capabilities_rule(subject, [*golden, *lived.items], source))
        quarantine, texts = quarantine_rule(source, golden, lived.items)
        results += [quarantine, speed_rule(subject, items)]
    results.append(_silence(lived, heard.getvalue(), texts, written))
    return results


def _safely(rule: str, judge: object, subject: Subject) -> Result:
    """A rule on an adapter that may raise anything."""
    try:
        found: Result = judge(subject)  # type: ignore[operator]  # one of the functions named above
    except Exception as error:  # noqa: BLE001 - the seam: whatever an adapter raises is its own failure alone
        return judged(rule, [f"it raised {type(error).__name__}"])
    return found


def _golden_items(subject: Subject) -> list[Item]:
    try:
        return [part for part in parts(subject) if isinstance(part, Item)]
    except Exception:  # noqa: BLE001 - the golden rule has told it already
        return []


async def _live(subject: Subject, pace: Pace, folder: Path) -> tuple[Lived, list[str]]:
    house = House(subject, folder, clinic_size=pace.clinic_size, lingering=pace.lingering)
    try:
        lived = await Rehearsal(subject, house, pace).run()
        return lived, list(plain_text_in(folder, lived.secrets))
    finally:
        await house.close()


def _silence(lived: Lived, heard: str, texts: Sequence[str], written: Sequence[str]) -> Result:
    """errors-hold-no-values."""
    rule = "errors-hold-no-values"
    faults = list(written)
    if any(word in heard for word in lived.secrets):
        faults.append("a value of a patient is in the log or the output")
    if any(word in text for word in lived.secrets for text in texts):
        faults.append("a value of a patient is in an error")
    if not lived.secrets and not faults:
        return not_run(rule, "no patient arrived whose values could be looked for")
    return judged(rule, faults)


@contextmanager
def _listening() -> Iterator[StringIO]:
    """Everything that is logged or printed meanwhile."""
    heard, before, root = StringIO(), structlog.get_config(), logging.getLogger()
    level = root.level
    handler = logging.StreamHandler(heard)
    with redirect_stdout(heard), redirect_stderr(heard):
        logs.configure("debug")
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield heard
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
            structlog.configure(**before)
