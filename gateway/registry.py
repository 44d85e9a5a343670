"""Loads the configured plugins, one at a time, and tells a clear story about each that cannot be used.

pluggy only collects here: every plugin has a manager of its own, so one that raises, is misspelt or is too old never
takes another with it. What the hooks return is checked against the shapes of :mod:`gateway.hookspecs` before the core
sees it.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pluggy
from pydantic import BaseModel

from gateway import hookspecs
from gateway.diagnosis import nearest
from gateway.errors import PluginFailed
from gateway.hookspecs import API_VERSION, GROUP, Adapter, KeyProvider, Reactor, Sink, Witness
from gateway.model.exchange import AdapterInfo, ReactorInfo, SinkInfo

if TYPE_CHECKING:
    import typer

Kind = Literal["adapter", "sink", "reactor", "key-provider", "witness"]

_SHAPES: dict[str, type] = {
    "gateway_adapters": Adapter,
    "gateway_sinks": Sink,
    "gateway_reactors": Reactor,
    "gateway_key_providers": KeyProvider,
    "gateway_witnesses": Witness,
}
_INFO: dict[str, type] = {"gateway_adapters": AdapterInfo, "gateway_sinks": SinkInfo, "gateway_reactors": ReactorInfo}
_HOOKS = (*_SHAPES, "gateway_commands")


class Origin(msgspec.Struct, frozen=True):
    """Where a plugin comes from: its entry-point name, and the distribution that offers it."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"plugin '{self.plugin}' of {self.distribution} {self.version}"


class Registry:
    """The parts that loaded plugins offer, by their own names; ``failures`` holds what could not be loaded."""

    def __init__(self) -> None:
        self.adapters: dict[str, Adapter] = {}
        self.sinks: dict[str, Sink] = {}
        self.reactors: dict[str, Reactor] = {}
        self.key_providers: dict[str, KeyProvider] = {}
        self.witnesses: dict[str, Witness] = {}
        self.commands: dict[str, typer.Typer] = {}
        """By the name of the plugin, which is the command's."""
        self.failures: dict[str, PluginFailed] = {}
        """By the name that was asked for."""
        self._origins: dict[tuple[Kind, str], Origin] = {}

    @classmethod
    def load(cls, names: Sequence[str] | None = None) -> Registry:
        """Load plugins by entry-point name, or by ``distribution:name`` where two distributions claim one name.

        With ``None`` every installed plugin is tried and what fails is collected in ``failures``.

        Raises:
            PluginFailed: a named plugin is missing, ambiguous, fails to import, is misspelt or has the wrong shape;
                every failing name is in the text.
        """
        registry = cls.attempt(names)
        if names is not None and registry.failures:
            raise _joined(list(registry.failures.values()))
        return registry

    @classmethod
    def attempt(cls, names: Sequence[str] | None) -> Registry:
        """The same without an end: what cannot be loaded is in ``failures``."""
        registry = cls()
        available = list(importlib.metadata.entry_points(group=GROUP))
        chosen = [_pinned(point) for point in available] if names is None else list(dict.fromkeys(names))
        for name in chosen:
            try:
                registry._add(_find(name, available))
            except PluginFailed as failure:
                registry.failures[name] = failure
        return registry

    def describe(self) -> list[dict[str, Any]]:
        """One row per adapter, sink, reactor, key provider and witness, as ``gateway adapters`` shows them."""
        rows: list[dict[str, Any]] = []
        for (kind, name), origin in sorted(self._origins.items(), key=lambda entry: entry[0]):
            row: dict[str, Any] = {"kind": kind, "name": name}
            match kind:
                case "adapter":
                    row |= msgspec.to_builtins(self.adapters[name].info)
                case "sink":
                    row |= msgspec.to_builtins(self.sinks[name].info)
                case "reactor":
                    row |= msgspec.to_builtins(self.reactors[name].info)
            rows.append(row | {"plugin": origin.plugin, "distribution": f"{origin.distribution} {origin.version}"})
        return rows

    def _add(self, point: importlib.metadata.EntryPoint) -> None:
        origin = _origin(point)
        parts = list(_collect(_import(point, origin), origin))
        for hook, part in parts:  # nothing is kept of a plugin that is not wholly usable
            _check_shape(hook, part, origin)
        for hook, part in parts:
            match hook:
                case "gateway_adapters":
                    self._keep("adapter", self.adapters, part.info.name, part, origin)
                case "gateway_sinks":
                    self._keep("sink", self.sinks, part.info.name, part, origin)
                case "gateway_reactors":
                    self._keep("reactor", self.reactors, part.info.name, part, origin)
                case "gateway_key_providers":
                    self._keep("key-provider", self.key_providers, part.name, part, origin)
                case "gateway_witnesses":
                    self._keep("witness", self.witnesses, part.name, part, origin)
                case _:
                    self.commands[origin.plugin] = part

    def _keep(self, kind: Kind, shelf: dict[str, Any], name: str, part: object, origin: Origin) -> None:
        if name in shelf:
            raise PluginFailed(
                f"The {kind} '{name}' is offered by {self._origins[kind, name]} and again by {origin}",
                where=GROUP,
                fix="Configure only one of them, or uninstall the other distribution.",
            )
        shelf[name] = part
        self._origins[kind, name] = origin


def installed() -> frozenset[str]:
    """The names of every plugin that is installed, whether it can be loaded or not."""
    return frozenset(point.name for point in importlib.metadata.entry_points(group=GROUP))


def _origin(point: importlib.metadata.EntryPoint) -> Origin:
    distribution = point.dist
    if distribution is None:
        return Origin(point.name, "an unnamed distribution", "0")
    return Origin(point.name, distribution.name, distribution.version)


def _pinned(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name}:{point.name}" if point.dist else point.name


def _joined(failures: Sequence[PluginFailed]) -> PluginFailed:
    if len(failures) == 1:
        return failures[0]
    stories = "\n".join(f"  {number}. {failure}" for number, failure in enumerate(failures, 1))
    return PluginFailed(f"{len(failures)} plugins cannot be loaded:\n{stories}\n", where=GROUP)


# --- find and import -------------------------------------------------------------------------------------------------


def _find(name: str, available: Sequence[importlib.metadata.EntryPoint]) -> importlib.metadata.EntryPoint:
    distribution, _, plain = name.rpartition(":")
    found = [point for point in available if point.name == plain]
    if distribution:
        found = [point for point in found if point.dist and _same_project(point.dist.name, distribution)]
    if len(found) == 1:
        return found[0]
    if found:
        pins = ", ".join(sorted(f"'{_pinned(point)}'" for point in found))
        raise PluginFailed(
            f"{len(found)} installed distributions claim the plugin name '{plain}'",
            where=GROUP,
            fix=f"Say which one under plugins in gateway.toml: {pins}.",
        )
    known = sorted({point.name for point in available})
    raise PluginFailed(
        f"No installed distribution offers the plugin '{name}'",
        where=GROUP,
        fix=nearest(plain, known) or f"Installed are: {', '.join(known) or 'none'}.",
    )


def _same_project(one: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def _import(point: importlib.metadata.EntryPoint, origin: Origin) -> ModuleType:
    try:
        module = point.load()
    except ImportError as error:
        missing = error.name or "a module it does not name"
        raise PluginFailed(
            f"The {origin} cannot be imported: {type(error).__name__}, module '{missing}'",
            where=_place(error) or point.value,
            fix=_install_hint(missing.partition(".")[0], point, origin),
        ) from error
    except Exception as error:  # the seam: whatever a plugin's import raises is this plugin's failure alone
        raise PluginFailed(
            f"The {origin} cannot be imported: {type(error).__name__} while its module was read",
            where=_place(error) or point.value,
            fix=f"Report it to the authors of {origin.distribution}, or install another version of it.",
        ) from error
    if not isinstance(module, ModuleType):
        raise PluginFailed(
            f"The entry point of {origin} names something that is not a module",
            where=point.value,
            fix='An entry point names a module: acme = "acme_intake.plugin".',
        )
    return module


def _install_hint(missing: str, point: importlib.metadata.EntryPoint, origin: Origin) -> str:
    """The extra that brings the missing module, when the plugin's own distribution declares one of that name."""
    for requirement in (point.dist.requires if point.dist else None) or ():
        declared = re.match(r"([\w.-]+).*extra == ['\"]([\w.-]+)['\"]", requirement)
        if declared and _same_project(declared[1], missing) and declared[2] != "all":
            return f"pip install '{origin.distribution}[{declared[2]}]'."
    return f"Install the distribution that provides '{missing}', or reinstall {origin.distribution}."


def _place(error: BaseException) -> str:
    """File name and line where the error arose; never its text, which may hold anything."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name} line {error.lineno}"
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None or "importlib" in trace.tb_frame.f_code.co_filename:
        return ""
    return f"{Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno}"


# --- collect and check -----------------------------------------------------------------------------------------------


def _collect(module: ModuleType, origin: Origin) -> Iterator[tuple[str, Any]]:
    manager = pluggy.PluginManager("gateway")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module)
    except pluggy.PluginValidationError as error:
        raise PluginFailed(
            f"The {origin} has a hook whose arguments are not those of the contract",
            where=module.__name__,
            fix="Compare it with gateway/hookspecs.py.",
        ) from error
    callers = manager.get_hookcallers(module) or []
    if not callers:
        raise PluginFailed(
            f"The {origin} offers nothing: none of its functions is a hook",
            where=module.__name__,
            fix="Mark each with @gateway.hookspecs.hookimpl.",
        )
    for caller in callers:
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise PluginFailed(
                f"The {origin} implements a hook that does not exist: {caller.name}",
                where=module.__name__,
                fix=nearest(caller.name, _HOOKS) or f"The hooks are: {', '.join(_HOOKS)}.",
            )
    for caller in callers:
        if caller.has_spec():
            for part in _call(caller, module, origin):
                yield caller.name, part


def _call(caller: pluggy.HookCaller, module: ModuleType, origin: Origin) -> Sequence[Any]:
    where = f"{module.__name__}.{caller.name}"
    if any(inspect.iscoroutinefunction(impl.function) for impl in caller.get_hookimpls()):
        raise PluginFailed(
            f"The hook {caller.name} of {origin} is asynchronous; hooks collect objects and are never awaited",
            where=where,
            fix="Write it with def; what the returned object does may be asynchronous.",
        )
    try:
        answers = caller()
    except Exception as error:  # the seam: whatever a hook raises is this plugin's failure alone
        raise PluginFailed(
            f"The hook {caller.name} of {origin} raised {type(error).__name__}",
            where=_place(error) or where,
            fix=f"Report it to the authors of {origin.distribution}.",
        ) from error
    answer = answers[0] if answers else None
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise PluginFailed(
            f"The hook {caller.name} of {origin} returned {type(answer).__name__}, not a sequence of objects",
            where=where,
            fix="Return a list or a tuple, empty when there is nothing to offer.",
        )
    return answer


def _check_shape(hook: str, part: Any, origin: Origin) -> None:
    if hook == "gateway_commands":
        import typer

        wrong = "" if isinstance(part, typer.Typer) else "is not a typer.Typer"
    else:
        wrong = next(_shape_faults(hook, part), "")
    if wrong:
        raise PluginFailed(
            f"What {hook} of {origin} returned is unusable: {type(part).__name__} {wrong}",
            where=type(part).__module__,
            fix="Compare it with gateway/hookspecs.py.",
        )
    if hook in _INFO and part.info.api != API_VERSION:
        age, cure = ("old", "Upgrade") if part.info.api < API_VERSION else ("new", "Upgrade emr-gateway, or downgrade")
        raise PluginFailed(
            f"The {origin} is too {age}: it is written for contract version {part.info.api}, this is {API_VERSION}",
            where=f"{part.info.name}.info.api",
            fix=f"{cure} {origin.distribution}.",
        )


def _shape_faults(hook: str, part: Any) -> Iterator[str]:
    shape = _SHAPES[hook]
    for name in shape.__annotations__:
        if not hasattr(part, name):
            yield f"has no attribute '{name}'"
    info = _INFO.get(hook)
    if info and not isinstance(part.info, info):
        yield f"has an info that is not an {info.__name__}"
    if not (inspect.isclass(part.config) and issubclass(part.config, BaseModel)):
        yield "has a config that is not a pydantic model class"
    for name, wanted in vars(shape).items():
        if name.startswith("_") or not inspect.isfunction(wanted):
            continue
        method = getattr(part, name, None)
        if not callable(method):
            yield f"has no method '{name}'"
        elif inspect.iscoroutinefunction(method):
            yield f"has an asynchronous method '{name}' where a plain one is called"
