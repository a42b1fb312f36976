"""Where settings come from, who wins, and what refuses to start."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from scripts.write_docs import PAGES, ROOT
from stock_service.config.load import ConfigFaulty, Loaded, load_settings
from stock_service.config.sections import FIELDS, SECTIONS, Settings


def faults(env: dict[str, str] | None = None, toml: str | None = None, tmp_path: Path | None = None) -> tuple[str, ...]:
    """Load what must be refused; return the sentences."""
    path = None
    if toml is not None and tmp_path is not None:
        path = tmp_path / "stocks.toml"
        path.write_text(toml)
    with pytest.raises(ConfigFaulty) as refused:
        load_settings(path, env=env or {})
    return refused.value.faults


def load(**env: str) -> Loaded:
    return load_settings(env={name.upper(): value for name, value in env.items()})


def test_without_anything_the_defaults_are_in_force() -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert list(loaded.sources) == [field.name for field in FIELDS]


def test_the_only_warning_of_the_defaults_is_the_missing_key() -> None:
    assert [warning.split(":")[0] for warning in load().warnings] == ["upstream.api_key is empty"]
    assert load(polygon_api_key="k").warnings == ()


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "stocks.toml"
    path.write_text('[quota]\ncalls = 1\nper = "2s"\nmax_wait = "1s"\n')
    loaded = load_settings(
        path,
        env={"STOCKS_QUOTA__PER": "3s", "STOCKS_QUOTA__MAX_WAIT": "2s"},
        flags={"quota.max_wait": "4s", "server.port": None},
    )
    quota = loaded.settings.quota
    assert (quota.calls, quota.per, quota.max_wait, quota.per_day) == (1, 3.0, 4.0, 0)
    assert [loaded.sources[f"quota.{key}"] for key in ("calls", "per", "max_wait", "per_day")] == [
        f"file {path}",
        "environment STOCKS_QUOTA__PER",
        "flag",
        "default",
    ]


def test_the_environment_can_name_the_file_and_an_argument_wins(tmp_path: Path) -> None:
    named, given = tmp_path / "named.toml", tmp_path / "given.toml"
    named.write_text("[server]\nport = 1\n")
    given.write_text("[server]\nport = 2\n")
    env = {"STOCKS_CONFIG": str(named)}
    assert load_settings(env=env).settings.server.port == 1
    assert load_settings(given, env=env).settings.server.port == 2


def test_an_empty_variable_counts_as_not_given() -> None:
    loaded = load(stocks_server__port=" ", stocks_upstream__api_key="", massive_api_key="m")
    assert loaded.settings.server.port == 8080
    assert loaded.sources["upstream.api_key"] == "environment MASSIVE_API_KEY"


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKS_QUOTA__CALLS", "77")
    assert load_settings().settings.quota.calls == 77


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_default_can_be_written_and_read_back(field: object) -> None:
    """What `config` prints can be pasted back; and no default is outside its own bounds."""
    assert isinstance(field, type(FIELDS[0]))
    written = field.written_in(Settings())
    assert field.kind.read(written) == field.default
    assert field.meaning.endswith(".")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = faults(
        {"STOCKS_SERVER__PROT": "1", "STOCKS_QUOTA__PER": "60", "STOCKS_SERVER__HOST": "0.0.0.0"},
        '[cache]\nmax_bytes = "lots"\n[acces]\n',
        tmp_path,
    )
    assert len(told) == 5
    for part in ("[acces]", "STOCKS_SERVER__PROT", "cache.max_bytes", "quota.per", "server.host"):
        assert sum(part in fault for fault in told) == 1, part


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("STOCKS_SERVER__PROT", "did you mean STOCKS_SERVER__PORT?"),
        ("STOCKS_SERVER_PORT", "did you mean STOCKS_SERVER__PORT?"),
        ("stocks_server__port", "did you mean STOCKS_SERVER__PORT?"),
        ("STOCKS_QUOTA__CALS", "did you mean STOCKS_QUOTA__CALLS?"),
        ("STOCKS_CONFIGS", "did you mean STOCKS_CONFIG?"),
        ("STOCKS_SOMETHING_ELSE_ENTIRELY", "`stock-service config` lists the names"),
        ("STOCKS_SERVICE_HOST", "enableServiceLinks: false"),
        ("STOCKS_PORT_8080_TCP_ADDR", "enableServiceLinks: false"),
        ("STOCKS_PORT", "enableServiceLinks: false"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(variable: str, hint: str) -> None:
    (fault,) = faults({variable: "1"})
    assert fault.startswith(f"{variable} is unknown")
    assert hint in fault


def test_the_variables_of_the_client_commands_and_of_others_are_no_faults() -> None:
    assert (
        load(stocks_client_url="x", stocks_client_key="y", stock_service_port="tcp://1", path="/bin").settings
        == Settings()
    )


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[server]\nprot = 1", "server.prot in .* is unknown; did you mean server.port"),
        ("[sever]\nport = 1", r"\[sever\] in .* is unknown; did you mean server"),
        ("server = 1", r"server in .* must be a section: write \[server\]"),
        ("[server\nport = 1", "is not valid TOML: .*line 1"),
        ("[server]\nport = true", "server.port .*whole number"),
        ("[quota]\nper = 61", "quota.per .*duration with its unit"),
    ],
)
def test_a_faulty_file_is_refused(toml: str, problem: str, tmp_path: Path) -> None:
    import re

    (fault,) = faults({}, toml, tmp_path)
    assert re.search(problem, fault)
    assert "\n" not in fault


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaulty, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.toml", env={})


# --- the vendor key -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "key", "source"),
    [
        ({"STOCKS_UPSTREAM__API_KEY": "a", "POLYGON_API_KEY": "b"}, "a", "environment STOCKS_UPSTREAM__API_KEY"),
        ({"MASSIVE_API_KEY": "c", "POLYGON_API_KEY": "b"}, "b", "environment POLYGON_API_KEY"),
        ({"MASSIVE_API_KEY": "c", "POLYGON_API_KEY": " "}, "c", "environment MASSIVE_API_KEY"),
    ],
)
def test_the_vendor_key_is_found_in_order(env: dict[str, str], key: str, source: str) -> None:
    loaded = load_settings(env=env)
    assert loaded.settings.upstream.api_key.reveal() == key
    assert loaded.sources["upstream.api_key"] == source


def test_the_vendor_key_comes_out_of_a_file_and_wins_over_the_vendors_variables(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k3y\n")
    loaded = load(stocks_upstream__api_key_file=str(path), polygon_api_key="other")
    assert loaded.settings.upstream.api_key.reveal() == "k3y"
    assert loaded.sources["upstream.api_key"] == f"file {path}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file"), (b"\n", "is empty"), (b"\xff", "not UTF-8"), (b"a\nb", "visible ASCII")],
)
def test_a_faulty_key_file_is_refused(content: bytes | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    (fault,) = faults({"STOCKS_UPSTREAM__API_KEY_FILE": str(path)})
    assert problem in fault


def test_a_key_and_a_key_file_contradict_each_other_and_neither_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret-in-file")
    (fault,) = faults({"STOCKS_UPSTREAM__API_KEY_FILE": str(path), "STOCKS_UPSTREAM__API_KEY": "s3cret"})
    assert "contradict" in fault
    assert "s3cret" not in fault


def test_no_secret_leaves_through_faults_warnings_or_repr() -> None:
    loaded = load(stocks_upstream__api_key="s3cret", stocks_upstream__url="http://vendor.example")
    assert "s3cret" not in repr(loaded)
    assert "s3cret" not in "".join(faults({"STOCKS_UPSTREAM__API_KEY": "s3cret with spaces", "STOCKS_X": "s3cret"}))


# --- contradictions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gateway.example"])
def test_an_open_door_needs_keys_or_the_word_that_it_is_meant(host: str, tmp_path: Path) -> None:
    (fault,) = faults({"STOCKS_SERVER__HOST": host})
    assert "access.keys_file" in fault
    keys = tmp_path / "keys"
    keys.touch()
    assert load(stocks_server__host=host, stocks_access__keys_file=str(keys)).settings.server.host == host
    assert load(stocks_server__host=host, stocks_access__allow_anonymous="true").settings.access.allow_anonymous


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_may_be_anonymous(host: str) -> None:
    assert load(stocks_server__host=host).settings.server.host == host


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"STOCKS_QUOTA__MAX_WAIT": "9s"}, "quota.max_wait 9s must be less than server.request_timeout 9s"),
        ({"STOCKS_BREAKER__SLEEP": "61s"}, "breaker.sleep 61s must be at most breaker.sleep_max 1m"),
        (
            {"STOCKS_SERVER__WATCHDOG_DUMP": "30s"},
            "server.watchdog_dump 30s must be less than server.watchdog_exit 30s",
        ),
        ({"STOCKS_ACCESS__KEYS_FILE": "/nowhere/keys"}, "access.keys_file /nowhere/keys is not there"),
        ({"STOCKS_CACHE__DIR": "/nowhere"}, "cache.dir /nowhere is no folder this user can write to"),
        ({"STOCKS_CACHE__DIR": "/tmp", "STOCKS_SHARED__URL": "valkey://h"}, "cache.dir is for one machine without"),
        ({"STOCKS_SHARED__CA_FILE": "/nowhere/ca"}, "shared.ca_file /nowhere/ca is not there"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(env: dict[str, str], problem: str) -> None:
    (fault,) = faults(env)
    assert problem in fault


def test_a_watchdog_that_never_ends_the_process_contradicts_nothing() -> None:
    assert load(stocks_server__watchdog_dump="1h", stocks_server__watchdog_exit="0").settings.server.watchdog_exit == 0


@pytest.mark.parametrize(
    ("env", "warning"),
    [
        ({"STOCKS_UPSTREAM__URL": "http://vendor.example"}, "not encrypted"),
        ({"STOCKS_BREAKER__VOLUME": "30"}, "only 5 failures in a row open the breaker"),
        ({"STOCKS_BREAKER__CONSECUTIVE": "0"}, "the breaker can never open"),
        ({"STOCKS_CACHE__MAX_BYTES": "16MiB"}, "the largest answers will not be kept"),
    ],
)
def test_what_may_be_meant_is_only_warned_about(env: dict[str, str], warning: str) -> None:
    (told,) = load_settings(env={"POLYGON_API_KEY": "k", **env}).warnings
    assert warning in told


def test_anonymity_beside_keys_is_warned_about(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch()
    loaded = load(stocks_access__keys_file=str(keys), stocks_access__allow_anonymous="yes", polygon_api_key="k")
    assert [warning.split(" has ")[0] for warning in loaded.warnings] == ["access.allow_anonymous"]


def test_a_vendor_on_this_machine_and_a_paid_plan_need_no_warning() -> None:
    assert (
        load(
            polygon_api_key="k",
            stocks_upstream__url="http://127.0.0.1:9000",
            stocks_quota__calls="100",
            stocks_quota__per="1s",
            stocks_breaker__volume="30",
        ).warnings
        == ()
    )


# --- the table ------------------------------------------------------------------------------------------------


def test_settings_cannot_change_after_start() -> None:
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.server = settings.server  # type: ignore[misc]
    for section in SECTIONS:
        with pytest.raises(dataclasses.FrozenInstanceError):
            getattr(settings, section).__setattr__(dataclasses.fields(getattr(settings, section))[0].name, 1)


@pytest.mark.parametrize("path", PAGES)
def test_the_generated_pages_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == PAGES[path](), "run: make docs"


def test_a_shared_store_without_its_client_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a traceback later: the client is an extra."""
    env = {"STOCKS_SHARED__URL": "redis://127.0.0.1:6379"}
    load_settings(env=env)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigFaulty, match=r"shared.url .*stock-service\[shared\]"):
        load_settings(env=env)
    load_settings(env={})
