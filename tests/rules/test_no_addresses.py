"""The repository holds no package index and no path of the machine it was written on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.rules.tree import files, short

DOT = r"\."
ADDRESSES = {
    "package index": re.compile(
        rf"pypi{DOT}org|files{DOT}pythonhosted|pythonhosted{DOT}org|--(extra-)?index[-]url|PIP[_]INDEX_URL|/simple/?['\"\s]"
    ),
    "machine path": re.compile(r"(?<![\w.$}~*-])/(work|home|root|Users)/[\w.-]+"),
}
LOCK = re.compile(r"^\S+==\S+( ; .*)? \\$|^    --hash=sha256:[0-9a-f]{64}( \\)?$|^\s*#", re.MULTILINE)


def addresses(text: str) -> Iterator[tuple[str, int]]:
    """Kinds of addresses in a text, with their lines."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((kind, number) for kind, pattern in ADDRESSES.items() if pattern.search(line))


def test_no_file_holds_an_address() -> None:
    """No tracked file names a package index host or an absolute path of a machine."""
    found = []
    for path in files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # samples in other character sets hold messages, not addresses
        found += [f"{short(path)} line {line}: {kind}" for kind, line in addresses(text)]
    assert found == []


def test_every_dependency_is_pinned_with_hashes() -> None:
    """The lock holds names, versions and hashes, and nothing else."""
    (lock,) = files("requirements.lock")
    strange = [line for line in lock.read_text("utf-8").splitlines() if line and not LOCK.match(line)]
    assert strange == []


def test_the_rules_see_a_planted_fault() -> None:
    """An index address and a home folder are found; a folder of the product is not."""
    planted = "\n".join(["pip install --index" + "-url x", "/" + "home/me/clone"])  # in pieces: this file is read too
    text = f"{planted}\n/data and tests/work/x and ./" + "home/me\n"
    assert list(addresses(text)) == [("package index", 1), ("machine path", 2)]
