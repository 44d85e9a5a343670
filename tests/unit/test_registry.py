"""Plugins are found by name, checked against the contract, and every failure is a clear story about one of them."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import PluginFailed
from gateway.hookspecs import API_VERSION
from gateway.registry import Registry

GOOD = """
from pathlib import Path
from pydantic import BaseModel
from gateway.hookspecs import hookimpl
from gateway.model.exchange import AdapterInfo, SinkInfo, Stream

class Config(BaseModel):
    port: int = 1

class Acme:
    info = AdapterInfo(name="acme", version="1", api=API, summary="Acme.",
                       streams=(Stream(name="files", types=("Patient",), mode="file"),))
    config = Config
    mappings = Path()
    def recognize(self, head): return False
    def cut(self, chunks, config): return iter(())
    def path(self, text): return lambda record: None
    def normalizer(self, config, mapping): raise NotImplementedError
    def transports(self, name, config): return ()

class Drain:
    info = SinkInfo(name="drain", version="1", api=API, summary="Drain.", idempotency="none", residual_risk="All.")
    config = Config
    def open(self, route, config): raise NotImplementedError

class Chest:
    name = "chest"
    config = Config
    def wrap(self, config, key, context): return key
    def unwrap(self, config, wrapped, context): return wrapped
    def create(self, config): return None
    def weaknesses(self, config, data): return ()

@hookimpl
def gateway_adapters(): return [Acme()]

@hookimpl
def gateway_sinks(): return [Drain()]

@hookimpl
def gateway_key_providers(): return [Chest()]
"""

Install = Callable[..., None]
_serial = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one plugin module on the path, the way an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(
        distribution: str, source: str, *, plugin: str = "acme", requires: str = "", api: int = API_VERSION
    ) -> None:
        module = f"acme_plugin_{next(_serial)}"
        (tmp_path / f"{module}.py").write_text(source.replace("api=API", f"api={api}"))
        metadata = tmp_path / f"{distribution.replace('-', '_')}-2.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n{requires}")
        (metadata / "entry_points.txt").write_text(f"[gateway.plugins]\n{plugin} = {module}\n")
        importlib.invalidate_caches()

    return put


def failure(*names: str) -> PluginFailed:
    """The story of a set of names that cannot be loaded."""
    with pytest.raises(PluginFailed) as caught:
        Registry.load(names)
    return caught.value


def test_a_plugin_offers_each_kind_of_part(install: Install) -> None:
    """One entry point brings its adapter, sink and key provider, each under its own name, and is described."""
    install("acme-intake", GOOD)
    registry = Registry.load(["acme"])
    assert list(registry.adapters) == ["acme"]
    assert list(registry.sinks) == ["drain"]
    assert list(registry.key_providers) == ["chest"]
    rows = registry.describe()
    assert [(row["kind"], row["name"], row["distribution"]) for row in rows] == [
        ("adapter", "acme", "acme-intake 2.5"),
        ("key-provider", "chest", "acme-intake 2.5"),
        ("sink", "drain", "acme-intake 2.5"),
    ]
    assert json.loads(json.dumps(rows))[0]["streams"] == [{"name": "files", "types": ["Patient"], "mode": "file"}]


def test_only_configured_plugins_are_imported(install: Install) -> None:
    """A broken plugin that nobody configured is never imported."""
    install("acme-intake", GOOD)
    install("other", "raise RuntimeError", plugin="broken")
    assert Registry.load(["acme"]).failures == {}


def test_everything_installed_is_tried_and_failures_are_kept(install: Install) -> None:
    """Asked for all, the registry offers what works and keeps one failure for each that does not."""
    install("acme-intake", GOOD)
    install("other", "raise RuntimeError", plugin="broken")
    registry = Registry.load(None)
    assert "acme" in registry.adapters
    assert any("'broken' of other 2.5" in failed.what for failed in registry.failures.values())


def test_a_missing_plugin_names_its_nearest_neighbour(install: Install) -> None:
    """A misspelt name is answered with the name that was meant and the list of what is there."""
    install("acme-intake", GOOD)
    story = failure("acmee")
    assert "No installed distribution offers the plugin 'acmee'" in story.what
    assert "Did you mean 'acme'?" in story.fix


def test_two_distributions_may_claim_one_name(install: Install) -> None:
    """The doubt is named with both pins, and a pin settles it."""
    install("acme-intake", GOOD)
    install("acme_rival", GOOD)
    assert "'acme-intake:acme', 'acme_rival:acme'" in failure("acme").fix
    assert Registry.load(["Acme.Rival:acme"]).describe()[0]["distribution"] == "acme_rival 2.5"


def test_two_plugins_may_not_offer_one_part(install: Install) -> None:
    """An adapter name that is taken is refused with both origins."""
    install("acme-intake", GOOD)
    install("acme-rival", GOOD, plugin="rival")
    story = failure("acme", "rival")
    assert "plugin 'acme' of acme-intake 2.5 and again by plugin 'rival' of acme-rival 2.5" in story.what


def test_a_missing_module_names_the_extra_that_brings_it(install: Install) -> None:
    """An import that fails says which module is missing and the pip command that brings it."""
    install("acme-intake", "import acme_parser", requires="Requires-Dist: acme-parser>=1; extra == 'parse'\n")
    story = failure("acme")
    assert (
        "plugin 'acme' of acme-intake 2.5 cannot be imported: ModuleNotFoundError, module 'acme_parser'" in story.what
    )
    assert story.fix == "pip install 'acme-intake[parse]'."


@pytest.mark.parametrize(("source", "name"), [("1 / 0", "ZeroDivisionError"), ("def (", "SyntaxError")])
def test_an_import_that_raises_is_placed(install: Install, source: str, name: str) -> None:
    """Whatever an import raises is told by its type and line, without its text."""
    install("acme-intake", f"secret = 'Jane Doe'\n{source}\n")
    story = failure("acme")
    assert name in story.what
    assert story.where.endswith("line 2")
    assert "Jane" not in str(story)


@pytest.mark.parametrize(("api", "age"), [(API_VERSION - 1, "too old"), (API_VERSION + 1, "too new")])
def test_another_contract_version_is_refused(install: Install, api: int, age: str) -> None:
    """A plugin written for another contract version says whether it is too old or too new."""
    install("acme-intake", GOOD, api=api)
    assert f"is {age}: it is written for contract version {api}" in failure("acme").what


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("def gateway_adapters(): return", "def gateway_adaptors(): return"),
        ("def gateway_adapters(): return", "async def gateway_adapters(): return"),
        ("def gateway_adapters(): return [Acme()]", "def gateway_adapters(store): return [Acme()]"),
        ("def gateway_adapters(): return [Acme()]", "def gateway_adapters(): return Acme()"),
        ("def gateway_adapters(): return [Acme()]", "def gateway_adapters(): return 1 / 0"),
        ("    def cut(", "    async def cut("),
        ("    def cut(", "    def kut("),
        ("    mappings = Path()", ""),
        ("    config = Config", "    config = dict"),
        ("    info = AdapterInfo(", "    info = dict("),
        ("@hookimpl", ""),
    ],
    ids=[
        "misspelt",
        "async-hook",
        "arguments",
        "no-sequence",
        "raises",
        "async-method",
        "no-method",
        "no-attribute",
        "config",
        "info",
        "unmarked",
    ],
)
def test_a_plugin_out_of_shape_is_refused(
    install: Install, planted: str, told: str, request: pytest.FixtureRequest
) -> None:
    """Each way to break the contract is refused with words that name it."""
    words = {
        "misspelt": "Did you mean 'gateway_adapters'?",
        "async-hook": "hooks collect objects and are never awaited",
        "arguments": "arguments are not those of the contract",
        "no-sequence": "returned Acme, not a sequence",
        "raises": "raised ZeroDivisionError",
        "async-method": "an asynchronous method 'cut'",
        "no-method": "no method 'cut'",
        "no-attribute": "no attribute 'mappings'",
        "config": "config that is not a pydantic model",
        "info": "info that is not an AdapterInfo",
        "unmarked": "none of its functions is a hook",
    }
    assert planted in GOOD
    install("acme-intake", GOOD.replace(planted, told))
    assert words[request.node.callspec.id] in str(failure("acme"))


def test_an_optional_hook_of_a_later_version_is_allowed(install: Install) -> None:
    """A plugin may carry a hook of a later contract, marked optional, and still load."""
    later = "\nfrom gateway.hookspecs import hookimpl as h\n@h(optionalhook=True)\ndef gateway_reactors(): return []\n"
    install("acme-intake", GOOD + later)
    assert "acme" in Registry.load(["acme"]).adapters


def test_every_failing_name_is_told_at_once(install: Install) -> None:
    """Several broken plugins make one error that lists each of them."""
    install("acme-intake", "raise RuntimeError")
    story = str(failure("acme", "absent"))
    assert "2 plugins cannot be loaded" in story
    assert "'acme' of acme-intake" in story
    assert "'absent'" in story


def test_our_own_plugins_load() -> None:
    """Every plugin of this distribution loads through the same hooks that a third party uses."""
    own = [f"emr-gateway:{name}" for name in ("hl7", "x12", "cliniko", "webhook", "files", "keys-file")]
    registry = Registry.load(own)
    assert set(registry.adapters) == {"hl7", "x12", "cliniko"}
    assert set(registry.sinks) == {"cliniko", "webhook", "files"}
    assert set(registry.key_providers) == {"file"}


def test_loading_plugins_imports_no_heavy_library() -> None:
    """The standards' strict libraries, the database and the web stay unloaded until they are used."""
    program = (
        "import sys; from gateway.registry import Registry; Registry.load(['emr-gateway:hl7', 'emr-gateway:x12']);"
        "print(sorted({'hl7apy', 'pyx12', 'sqlalchemy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
