"""Which mapping a file is looked at with: a configured source's, or that of the adapter that knows the file."""

from __future__ import annotations

from pathlib import Path

from gateway.cli.printing import read
from gateway.configured import load_plugins
from gateway.errors import InvalidConfiguration
from gateway.flow.preview import Preview, preview_source
from gateway.hookspecs import Adapter
from gateway.registry import Registry
from gateway.settings import Source as SourceSettings

HEAD = 4096


def previewer(
    path: Path, named: str, zone: str, config: Path, *, profile: str = "", overlay: Path | None = None,
    traced: bool = False,
) -> Preview:  # fmt: skip
    """The configured source that the file belongs to, or else the adapter that knows it, with its own defaults."""
    if config.exists():
        settings, text = read(config)
        registry, _ = load_plugins(settings, config.resolve().parent, text)
        found = [one for one in settings.sources if _is_of(one, registry.adapters[one.adapter], path, named)]
        if len(found) == 1:
            (one,) = found
            adapter = registry.adapters[one.adapter]
            return preview_source(
                adapter, one.config, overlay or one.overlay, zone or one.zone, one.name, profile or one.profile or "",
                traced=traced,
            )  # fmt: skip
    adapter = _adapter_for(Registry.load(None), path, named)
    return preview_source(adapter, {}, overlay, zone or "UTC", adapter.info.name, profile, traced=traced)


def _is_of(source: SourceSettings, adapter: Adapter, path: Path, named: str) -> bool:
    return named in (source.name, source.adapter) if named else adapter.recognize(head(path))


def _adapter_for(registry: Registry, path: Path, named: str) -> Adapter:
    if named:
        found = [registry.adapters[named]] if named in registry.adapters else []
    else:
        begin = head(path)
        found = [adapter for adapter in registry.adapters.values() if adapter.recognize(begin)]
    if len(found) == 1:
        return found[0]
    raise InvalidConfiguration(
        "No adapter knows this file" if not found else "Several adapters know this file",
        where=path.name, fix=f"Name one with --source: {', '.join(sorted(registry.adapters))}.",
    )  # fmt: skip


def head(path: Path) -> bytes:
    """What an adapter may look at to know its files."""
    with path.open("rb") as file:
        return file.read(HEAD)
