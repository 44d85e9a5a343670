"""Peers that have an environment of their own, because they bring libraries that the gateway does not want.

``.bench/peers`` is made on first use from ``benchmarks/requirements.lock``, every package by its hash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.house import HERE, WORK

REMITTANCE = {
    "edi-835-parser": """
from edi_835_parser import parse
def read(path):
    return len(parse(path, debug=True).transaction_sets[0].claims)
""",
    "x12-edi-tools": """
from x12_edi_tools.remittance_advise_parser import RemittanceAdviceParser
def read(path):
    with open(path) as file:
        return len(RemittanceAdviceParser().parse(file.read()).claims)
""",
}
"""Programs that read one 835 whole and say how many claims it had."""
_TIMED = """
import sys, time
begin = time.process_time()
claims = read(sys.argv[1])
print(claims / (time.process_time() - begin))
"""


@cache
def environment() -> Path:
    """The interpreter of the peers' environment."""
    folder, lock = WORK / "peers", HERE / "requirements.lock"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        print("  installing the peers ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r")
        subprocess.run([str(python), *install, str(lock)], check=True, stderr=subprocess.DEVNULL)
        stamp.write_bytes(lock.read_bytes())
    return python


def claims_per_second(name: str, path: Path) -> float:
    """One reading of a file, in a process of its own."""
    words = [str(environment()), "-c", REMITTANCE[name] + _TIMED, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout)


def program(module: str, *arguments: object) -> list[str]:
    """The command of one of our own programs, run from anywhere."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *sys.path[1:]])
    return [sys.executable, "-m", module, *(str(one) for one in arguments)]
