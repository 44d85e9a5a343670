"""One ``gateway.toml``: what is right loads, and what is wrong is told wholly, with its place, line and cure."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.configured import Configured, check_plugins
from gateway.diagnosis import InvalidSettings, Problem, line_of
from gateway.errors import InvalidConfiguration
from gateway.model.exchange import SinkInfo
from gateway.registry import Registry
from gateway.settings import Secret, Settings, load, parse, resolve_secret, starter_toml

GOOD = """
mode = "development"

[keys.config]
path = "keys/root.key"

[[tenants]]
name = "north"

[[tenants]]
name = "south"

[[sources]]
name = "hospital"
tenant = "north"
adapter = "acme"
zone = "America/Chicago"
overlay = "overlays/hospital"

[sources.config]
port = 2575

[[routes]]
name = "billing"
tenant = "north"
sink = "drain"
sources = ["hospital"]
types = ["Appointment"]
view = "desk"
purpose = "payment"
recipient = "billing company"
config = { folder = "out" }

[views.desk]
Appointment = ["start", "status"]
"""


def problems(text: str, folder: Path = Path("/etc/gateway")) -> tuple[Problem, ...]:
    """Everything that is wrong with a text."""
    with pytest.raises(InvalidSettings) as caught:
        parse(text, folder)
    return caught.value.problems


def test_a_good_file_loads_with_defaults_and_absolute_paths(tmp_path: Path) -> None:
    """What is not written has a default, and every relative path begins at the file's own folder."""
    (tmp_path / "gateway.toml").write_text(GOOD)
    settings = load(tmp_path / "gateway.toml")
    assert settings.store.url == "embedded"
    assert settings.data.directory == tmp_path / "data"
    assert settings.keys.keystore == tmp_path / "keys/keystore.db"
    assert settings.sources[0].overlay == tmp_path / "overlays/hospital"
    assert settings.limits.message_bytes == 16 * 1024 * 1024
    assert settings.route("billing").poison == "halt"
    assert settings.source("hospital").config == {"port": 2575}


def test_the_starter_file_is_valid() -> None:
    """What ``gateway init`` writes needs no repair."""
    settings = parse(starter_toml(), Path("/srv"))
    assert settings.plugin_names() == ("hl7", "x12", "files", "keys-file")


def test_every_setting_has_a_sentence() -> None:
    """Each setting of each table says what it means."""
    waiting: list[type[BaseModel]] = [Settings]
    while waiting:
        model = waiting.pop()
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            assert field.description.endswith("."), f"{model.__name__}.{name}"
            kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
            waiting += [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


@pytest.mark.parametrize(
    ("old", "new", "where", "what", "fix"),
    [
        ("[[routes]]", '[[routes]]\nstrat = "now"', "routes[0].strat", "There is no such setting", "mean 'start'?"),
        ('sink = "drain"', "", "routes[0].sink", "This setting is missing", "The sink that delivers"),
        ('view = "desk"', 'view = "dsk"', "routes[0].view", "There is no view of this name", "Did you mean 'desk'?"),
        ('["hospital"]', '["hopsital"]', "routes[0].sources[0]", "no source of this name", "Did you mean 'hospital'?"),
        ('["Appointment"]', '["Apointment"]', "routes[0].types[0]", "no such record type", "'Appointment'?"),
        ('["start", "status"]', '["begin"]', "views.desk.Appointment", "There is no field", "Use one of: "),
        ('zone = "America/Chicago"', 'zone = "Chicago"', "sources[0].zone", "not a time zone", "IANA"),
        ('name = "south"', 'name = "north"', "tenants[1].name", "tenants[0] has this name already", "Choose another"),
        ('name = "south"', 'name = "South Side"', "tenants[1].name", "lower-case letters", "One clinic group"),
        ('adapter = "acme"', "adapter = 7", "sources[0].adapter", "should be a valid string", "The adapter that"),
        ('"development"', '"test"', "mode", "'development' or 'production'", "refuses set-ups"),
        ("[[routes]]", "[[routes]]\nretries = []", "routes[0].retries", "have 1 to 50 steps", "nine from 5 s to 24 h"),
        ("[[routes]]", f"[[routes]]\nretries = {[9] * 51}", "routes[0].retries", "have 1 to 50 steps", ""),
        ("[[routes]]", "[[routes]]\nretries = [60, 0]", "routes[0].retries[1]", "greater than or equal to 1", ""),
        ("[[routes]]", "[[routes]]\nretries = [604801]", "routes[0].retries[0]", "less than or equal to 604800", ""),
        ("[[routes]]", "[[routes]]\nretries = [nan]", "routes[0].retries[0]", "finite number", ""),
        ("[[routes]]", '[[routes]]\nretries = ["5 min"]', "routes[0].retries[0]", "valid number", ""),
        ("[[routes]]", "[[routes]]\nretries = [true]", "routes[0].retries[0]", "valid number", ""),
        ('purpose = "payment"', 'purpose = ""', "routes[0].purpose", "should match pattern", "in one word"),
    ],
)
def test_a_mistake_is_told_with_place_line_and_cure(old: str, new: str, where: str, what: str, fix: str) -> None:
    """Each kind of mistake names its setting, its line, what is wrong and what was probably meant."""
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    (problem,) = problems(text)
    assert problem.where == where
    assert what in problem.what
    assert fix in problem.fix
    assert problem.line is not None
    if new:
        assert new.splitlines()[-1] in text.splitlines()[problem.line - 1]
    else:
        assert text.splitlines()[problem.line - 1] == "[[routes]]"


def test_nothing_crosses_tenants() -> None:
    """A route of one tenant cannot take from a source of another."""
    text = GOOD.replace('name = "billing"\ntenant = "north"', 'name = "billing"\ntenant = "south"')
    (problem,) = problems(text)
    assert problem.what == "This source belongs to another tenant"


def test_every_mistake_is_told_at_once() -> None:
    """Mistakes of single settings and of settings that do not fit together come in one error."""
    text = GOOD.replace('"development"', '"test"').replace('tenant = "north"\nadapter', 'tenant = "nroth"\nadapter')
    found = problems(text.replace('view = "desk"', 'view = "dsk"'))
    assert {problem.where for problem in found} >= {"mode", "sources[0].tenant", "routes[0].view"}
    told = str(InvalidSettings("gateway.toml", found))
    assert f"gateway.toml has {len(found)} mistakes" in told
    assert all(problem.where in told for problem in found)


def test_a_value_is_never_repeated() -> None:
    """What was written as a value, which may be a secret, is in no error."""
    secret = "hunter2hunter2"
    text = GOOD.replace("[keys.config]", f'[store]\nurl = "postgresql+psycopg://gw:{secret}@db/x"\n[keys.config]')
    text = text.replace('"development"', f'"{secret}"')
    found = problems(text)
    assert {problem.where for problem in found} == {"store.url", "mode"}
    assert secret not in str(InvalidSettings("gateway.toml", found))


@pytest.mark.parametrize("url", ["sqlite:///x.db", "postgresql://db/x", "http://[", "postgresql+psycopg2://db/x"])
def test_another_database_url_is_refused(url: str) -> None:
    """Only the embedded store and PostgreSQL through psycopg are databases here."""
    (problem,) = problems(GOOD.replace("[keys.config]", f'[store]\nurl = "{url}"\n[keys.config]'))
    assert problem.where == "store.url"


def test_what_is_not_toml_is_placed(tmp_path: Path) -> None:
    """Broken syntax is told by its line; a missing file by its absence."""
    (problem,) = problems("mode = \n")
    assert (problem.what, problem.line) == ("This is not TOML: Invalid value", 1)
    (problem,) = problems(GOOD + "[data]\n[data]\n")
    assert "data" in problem.what
    assert "twice" in problem.what
    with pytest.raises(InvalidSettings, match=r"cannot be read: No such file.*gateway init"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "shape", ["sources = 1", "views = 1\ntenants = [1]", 'routes = [{view = ["x"]}]\nviews = {a = 1}']
)
def test_any_shape_of_document_is_survived(shape: str) -> None:
    """A document of the wrong shape gives mistakes, never another exception."""
    assert problems(shape)


def test_a_pinned_plugin_replaces_its_plain_name() -> None:
    """A pin is loaded in place of the name that two distributions claim."""
    settings = parse('plugins = ["acme-intake:acme", "extra"]\n' + GOOD, Path())
    assert settings.plugin_names() == ("acme-intake:acme", "extra", "drain", "keys-file")


def test_lines_are_found_in_every_notation() -> None:
    """Tables of tables, dotted keys, inline tables and quoted keys all point to a line."""
    text = '[[routes]]\nname = "a"\n[[routes]]\n[routes.config]\n"folder" = "x"\nmail.host = "y"\n'
    assert line_of(("routes", 0, "name"), text) == 2
    assert line_of(("routes", 1, "config", "folder"), text) == 5
    assert line_of(("routes", 1, "config", "mail", "host"), text) == 6
    assert line_of(("routes", 1, "sink"), text) == 3
    assert line_of(("mode",), text) is None


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_read_when_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of reference give the secret as it is now, without the file's last line end."""
    monkeypatch.setenv("GATEWAY_TEST_SECRET", "one")
    assert resolve_secret("env:GATEWAY_TEST_SECRET") == "one"
    (tmp_path / "secret").write_text("two\n")
    assert resolve_secret(f"file:{tmp_path / 'secret'}") == "two"


@pytest.mark.parametrize("reference", ["env:GATEWAY_ABSENT", "file:/nowhere/at/all"])
def test_a_missing_secret_says_where_it_should_be(reference: str) -> None:
    """The error names the reference and what to do."""
    with pytest.raises(InvalidConfiguration) as caught:
        resolve_secret(reference)
    assert caught.value.where == reference
    assert caught.value.fix


def test_a_secret_in_plain_text_is_refused() -> None:
    """A secret written as itself is refused without being repeated."""
    with pytest.raises(ValueError, match="a secret is named, not written") as caught:
        Secret.checked("whsec_plain")
    assert "whsec_plain" not in str(caught.value)


# --- the plugins' own settings ---------------------------------------------------------------------------------------


class Port(BaseModel):
    """Settings of an adapter."""

    model_config = ConfigDict(extra="forbid")
    port: int
    token: Secret = Secret("file:token")


class Folder(BaseModel):
    """Settings of a sink."""

    model_config = ConfigDict(extra="forbid")
    folder: Path


class KeyFile(BaseModel):
    """Settings of a key provider."""

    path: Path


class Acme:
    """The part of an adapter that settings look at."""

    config = Port


class Drain:
    """The part of a sink that settings look at."""

    config = Folder

    def __init__(self, *native: tuple[str, str]) -> None:
        self.info = SinkInfo(
            name="drain", version="1", api=1, summary="", idempotency="none", residual_risk="", native=native
        )


class Chest:
    """The part of a key provider that settings look at."""

    config = KeyFile

    def weaknesses(self, config: KeyFile, data: tuple[str, ...]) -> list[str]:
        """One weakness: the data folder is the key's neighbour."""
        return [f"the key lies beside {len(data)} folder of data"]


@pytest.fixture
def registry() -> Registry:
    """A registry that holds one part of each kind."""
    registry = Registry()
    registry.adapters["acme"] = Acme()
    registry.sinks["drain"] = Drain()
    registry.key_providers["file"] = Chest()
    return registry


def configured(text: str, registry: Registry) -> Configured:
    """The plugins' settings of a text."""
    return check_plugins(parse(text, Path("/etc/gateway")), registry, Path("/etc/gateway"), text)


def test_plugin_settings_are_validated_and_located(registry: Registry) -> None:
    """Each config table becomes the plugin's own model, with paths and secret files from the same folder."""
    found = configured(GOOD, registry)
    assert found.sources["hospital"] == Port(port=2575, token=Secret("file:/etc/gateway/token"))
    assert found.routes["billing"] == Folder(folder=Path("/etc/gateway/out"))
    assert found.keys == KeyFile(path=Path("/etc/gateway/keys/root.key"))


def test_plugin_mistakes_are_told_at_once(registry: Registry) -> None:
    """An unknown sink, an unknown key and a wrong value are told together, each with its line."""
    text = GOOD.replace("port = 2575", "prot = 2575").replace('"drain"', '"drian"').replace('"keys/root.key"', "7")
    with pytest.raises(InvalidSettings) as caught:
        configured(text, registry)
    told = {problem.where: problem for problem in caught.value.problems}
    assert told["sources[0].config.prot"].fix == "Did you mean 'port'?"
    assert told["sources[0].config.port"].what == "This setting is missing"
    assert told["routes[0].sink"].fix == "Did you mean 'drain'?"
    assert text.splitlines()[(told["keys.config.path"].line or 0) - 1] == "path = 7"


def test_a_sink_that_writes_back_needs_a_source_and_a_granting_view(registry: Registry) -> None:
    """Where a route does not say whose ids it may tell, or its view grants none, both are told before it runs."""
    registry.sinks["drain"] = Drain(("Task", "about"))
    with pytest.raises(InvalidSettings) as caught:
        configured(GOOD, registry)
    assert {one.where for one in caught.value.problems} == {"routes[0].writes_to", "routes[0].view"}
    named = GOOD.replace('sink = "drain"', 'sink = "drain"\nwrites_to = "hospital"')
    assert configured(named.replace('"status"]', '"status", "native_id"]'), registry)
    with pytest.raises(InvalidSettings, match="nothing of this name at this tenant"):
        configured(named.replace('writes_to = "hospital"', 'writes_to = "clinic"'), registry)


def test_production_refuses_weak_keys(registry: Registry) -> None:
    """What a key provider calls weak stops production and nothing else."""
    assert configured(GOOD, registry)
    with pytest.raises(InvalidSettings, match="Production mode refuses: the key lies beside 1 folder of data"):
        configured(GOOD.replace('"development"', '"production"'), registry)


@pytest.mark.parametrize("table", ['host = "0.0.0.0"', 'host = "gateway.example.org"'])
def test_http_off_this_machine_needs_tls(table: str) -> None:
    """A port that others can reach has a certificate with its key, or a proxy in front that is named."""
    (problem,) = problems(f"{GOOD}\n[http]\n{table}\n")
    assert "certificate" in problem.what
    assert parse(f"{GOOD}\n[http]\n{table}\ntls = 'proxy'\nkey = 'k'\ncertificate = 'c'", Path("/")).http is not None
    assert parse(f"{GOOD}\n[http]\nhost = '::1'", Path("/")).http is not None


@pytest.mark.parametrize("proxy", ["0.0.0.0/0", "::/0", "proxy.example.org", "10.1.0.9/24", ""])
def test_who_is_a_trusted_proxy_is_named_by_address(proxy: str) -> None:
    """Everybody is no proxy, nor is a name that somebody else resolves, nor a network that is none."""
    (problem,) = problems(f'{GOOD}\n[http]\ntrusted_proxies = ["127.0.0.1", "{proxy}"]\n')
    assert problem.where == "http.trusted_proxies[1]"
