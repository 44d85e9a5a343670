"""``python -m tests.fuzz [TARGET]``: coverage-guided fuzzing of every parser, or of one, FUZZ_SECONDS each.

Inputs that led to new code stay in ``.fuzz/<target>`` for the next time; one that broke a parser is kept beside them
as ``crash-*``.
"""

from __future__ import annotations

import os
import subprocess
import sys

import atheris

PARSERS = ("bank", "cliniko", "fhir", "hl7", "jane", "reports", "spry", "twilio", "webpt", "x12")

with atheris.instrument_imports(include=["gateway", *(f"gateway_{name}" for name in PARSERS)]):
    from tests.fuzz.judge import MOST_BYTES, ROOT, offences, vocabulary
    from tests.fuzz.targets import TARGETS

SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
HANGS = 300
"""Seconds by the clock after which an input hangs; how fast one is read is judged by the processor's time."""


def fuzz(name: str) -> None:
    """Fuzz one target; ends the process, with an exit code other than 0 when it was broken."""
    target = next(one for one in TARGETS if one.name == name)
    kept = ROOT / ".fuzz" / name
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (kept / f"seed-{number}").write_bytes(seed)

    vocabulary()  # of the whole source, read once: that is no input's time

    def once(data: bytes) -> None:
        found = offences(target, data)
        if found:
            raise AssertionError("; ".join(found))

    limits = [f"-max_total_time={SECONDS}", f"-max_len={MOST_BYTES}", f"-timeout={HANGS}", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", f"-artifact_prefix={kept}/", str(kept)], once)
    atheris.Fuzz()


def main() -> int:
    """Each target in a process of its own; the names of those that were broken are the last line."""
    if len(sys.argv) > 1:
        fuzz(sys.argv[1])
    broken = [
        one.name
        for one in TARGETS
        if subprocess.run([sys.executable, "-m", "tests.fuzz", one.name], cwd=ROOT, check=False).returncode
    ]
    print(f"broken: {', '.join(broken)}" if broken else f"{len(TARGETS)} parsers, none broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
