"""One folder per vendor with the same file names in each, and tests where a reader looks for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.tree import PRODUCT, ROOT, files, functions, imported, modules, parsed, short

ADAPTER = {
    "__init__.py",
    "plugin.py",
    "config.py",
    "transport.py",
    "records.py",
    "strict.py",
    "translate.py",
    "simulator.py",
    "quality.toml",
}
PLUGIN = {"__init__.py", "plugin.py", "config.py", "quality.toml"}
JOBS = {"sink.py", "reactor.py", "provider.py", "witness.py", "command.py", "translate.py"}
ALSO = {"sink.py", "command.py"}
"""What an adapter may have besides: the way out to the same system, and commands of its own."""
PARTS = ADAPTER | JOBS - {"__init__.py", "plugin.py", "quality.toml"}
"""A large one is cut in parts that carry its name: ``records_claim.py``, ``transport_core.py``."""
NETWORK = {"aiohttp", "socket", "http", "ssl"}


def folders(kind: str) -> list[Path]:
    """The packages inside ``adapters`` or ``plugins``."""
    return sorted({ROOT / kind / path.relative_to(ROOT / kind).parts[0] for path in files(kind)})


def names(folder: Path) -> set[str]:
    """The file names of a package; a marker for type checkers may be there."""
    return {str(path.relative_to(folder)) for path in files(short(folder))} - {"py.typed"}


def part(name: str) -> bool:
    """Whether a file is one part of a usual one, or what such a part reads: a template, a table."""
    folder, _, _ = name.partition("/")
    if folder == "golden":  # messages as the system sends them, which `gateway certify` compares
        return "/" in name
    return f"{folder.partition('.')[0].partition('_')[0]}.py" in PARTS and ("_" in folder or "/" in name)


def adapter_faults(found: set[str]) -> Iterator[str]:
    """How the files of an adapter differ from every other adapter's."""
    yield from (f"lacks {name}" for name in sorted(ADAPTER - found))
    yield from (f"has {name}, which no other adapter has" for name in sorted(found - ADAPTER - ALSO) if not part(name))


def plugin_faults(found: set[str], *, networked: bool) -> Iterator[str]:
    """How the files of a plugin differ from what a reader expects."""
    yield from (f"lacks {name}" for name in sorted(PLUGIN - found))
    if not JOBS & found:
        yield f"has none of {', '.join(sorted(JOBS))}"
    yield from (f"has {name}" for name in sorted(found - PLUGIN - JOBS - ADAPTER) if not part(name))
    if networked and "simulator.py" not in found:
        yield "talks to a network system and has no simulator.py"


@pytest.mark.parametrize("folder", folders("adapters"), ids=lambda folder: folder.name)
def test_an_adapter_is_one_folder_with_the_usual_names(folder: Path) -> None:
    """Whoever knows one adapter knows where everything is in the next."""
    assert folder.name.startswith("gateway_")
    assert list(adapter_faults(names(folder))) == []


@pytest.mark.parametrize("folder", folders("plugins"), ids=lambda folder: folder.name)
def test_a_plugin_is_one_folder_with_the_usual_names(folder: Path) -> None:
    """A sink, a reactor, a key provider or a command has its wiring, settings, quality table and one job."""
    assert folder.name.startswith("gateway_")
    used = {
        name for path in modules(short(folder)) if path.name != "simulator.py" for name, _ in imported(parsed(path))
    }
    assert list(plugin_faults(names(folder), networked=bool(used & NETWORK))) == []


@pytest.mark.parametrize("folder", [*folders("adapters"), *folders("plugins")], ids=lambda folder: folder.name)
def test_a_package_begins_with_words_only(folder: Path) -> None:
    """``__init__.py`` says what the system is, can give and cannot give, and holds no code."""
    body = parsed(folder / "__init__.py").body
    assert [type(node) for node in body if not isinstance(node, ast.ImportFrom) or node.module != "__future__"] == [
        ast.Expr
    ]


def subjects(test: Path) -> Iterator[Path]:
    """Where the module that a unit test is about may be."""
    *folder, _ = test.relative_to(ROOT / "tests/unit").parts
    stem = test.stem.removeprefix("test_")
    if folder[:1] in (["adapters"], ["plugins"]):
        room = ROOT.joinpath(folder[0], *(f"gateway_{name}" for name in folder[1:2]), *folder[2:])
    else:
        room = ROOT.joinpath("gateway", *folder)
    yield from (room / (stem + ending) for ending in (".py", "", ".toml"))


def has_subject(test: Path) -> bool:
    """Whether a unit test is named after a module, or after a function of the package it lies in."""
    if any(subject.exists() for subject in subjects(test)):
        return True
    package = ROOT / "gateway" / test.parent.relative_to(ROOT / "tests/unit") / "__init__.py"
    name = test.stem.removeprefix("test_")
    return package.exists() and any(node.name == name for node in functions(parsed(package)))


def test_unit_tests_mirror_the_tree() -> None:
    """``wire/test_mllp.py`` is about ``gateway/wire/mllp.py``, ``plugins/files/test_sink.py`` about a plugin's sink."""
    tests = [path for path in modules("tests/unit") if path.name.startswith("test_")]
    lost = [short(test) for test in tests if not has_subject(test)]
    assert tests
    assert lost == []


def test_no_room_is_empty() -> None:
    """Every package holds something: rooms are built with the work that fills them."""
    packages = [path.parent for path in modules(*PRODUCT) if path.name == "__init__.py"]
    empty = [short(room) for room in packages if len(files(short(room))) == 1 and not _has_code(room / "__init__.py")]
    assert empty == []


def _has_code(path: Path) -> bool:
    return any(not isinstance(node, ast.Expr | ast.ImportFrom) for node in parsed(path).body)


def test_the_rules_see_a_planted_fault() -> None:
    """A folder with a strange file, a missing one or no simulator is found."""
    assert list(adapter_faults(ADAPTER - {"strict.py"} | {"client.py"})) == [
        "lacks strict.py",
        "has client.py, which no other adapter has",
    ]
    assert list(plugin_faults(PLUGIN | {"mess.py"}, networked=True)) == [
        "has none of command.py, provider.py, reactor.py, sink.py, translate.py, witness.py",
        "has mess.py",
        "talks to a network system and has no simulator.py",
    ]
    assert not has_subject(ROOT / "tests/unit/wire/test_nothing.py")
