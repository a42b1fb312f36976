"""Reads the settings: defaults, then the TOML file, then the environment, then flags; the later wins.

All faults are found before any is reported, so that one try shows them all. A name nobody knows is a fault: a
misspelt option is the mistake nobody sees. The secret values themselves appear in no fault and no warning.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from stock_service.config.contradictions import find_faults, find_warnings
from stock_service.config.sections import FIELDS, PREFIX, SECTIONS, Settings, settings_of

CONFIG_VARIABLE: Final = "STOCKS_CONFIG"
CLIENT_URL_VARIABLE: Final = "STOCKS_CLIENT_URL"
CLIENT_KEY_VARIABLE: Final = "STOCKS_CLIENT_KEY"
KEY_VARIABLES: Final = ("POLYGON_API_KEY", "MASSIVE_API_KEY")

_OTHER_VARIABLES: Final = (CONFIG_VARIABLE, CLIENT_URL_VARIABLE, CLIENT_KEY_VARIABLE)
_BY_NAME: Final = {field.name: field for field in FIELDS}
_BY_VARIABLE: Final = {field.variable: field for field in FIELDS}
_KUBERNETES: Final = re.compile(r"STOCKS_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)\Z", re.ASCII)
_DEFAULT: Final = "default"


class ConfigFaulty(Exception):
    """The settings cannot be used. `faults` are sentences, one each, safe to print."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(*faults)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings in force, where each came from by dotted name, and what the operator should read once."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as it was written, before it is read."""

    value: object
    source: str


def load_settings(
    config_path: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Loaded:
    """Return the settings in force.

    Args:
        config_path: the TOML file; without one, the file `STOCKS_CONFIG` names, if it names one.
        env: the environment, by default the process's own. An empty variable counts as not given.
        flags: values by dotted name; None counts as not given.

    Raises:
        ConfigFaulty: with every fault found.
    """
    env = os.environ if env is None else env
    faults: list[str] = []
    given: dict[str, _Given] = {}
    named = config_path or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
    if named is not None:
        given |= _from_file(named, faults)
    given |= _from_environment(env, faults)
    given |= {name: _Given(value, "flag") for name, value in (flags or {}).items() if value is not None}
    values = _read_all(given, faults)
    _find_api_key(values, given, env, faults)
    settings = settings_of(values)
    _check_keys_file(settings, faults)
    _check_store_client(settings, faults)
    _check_places(settings, faults)
    faults.extend(find_faults(settings))
    if faults:
        raise ConfigFaulty(tuple(faults))
    sources = {field.name: given[field.name].source if field.name in given else _DEFAULT for field in FIELDS}
    return Loaded(settings, sources, tuple(find_warnings(settings)))


def _from_file(path: Path, faults: list[str]) -> dict[str, _Given]:
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        faults.append(f"{path} cannot be read: {error.strerror}; name an existing file with --config or STOCKS_CONFIG")
        return {}
    except ValueError as error:
        faults.append(f"{path} is not valid TOML: {_single_line(error)}")
        return {}
    given: dict[str, _Given] = {}
    for name, value in _leaves(tree, path, faults):
        if name in _BY_NAME:
            given[name] = _Given(value, f"file {path}")
        else:
            faults.append(f"{name} in {path} is unknown{_nearest(name, _BY_NAME)}")
    return given


def _leaves(tree: dict[str, Any], path: Path, faults: list[str]) -> Iterator[tuple[str, object]]:
    for section, content in tree.items():
        if section not in SECTIONS:
            faults.append(f"[{section}] in {path} is unknown{_nearest(section, SECTIONS)}")
        elif not isinstance(content, dict):
            faults.append(f"{section} in {path} must be a section: write [{section}] on a line of its own")
        else:
            yield from ((f"{section}.{key}", value) for key, value in content.items())


def _from_environment(env: Mapping[str, str], faults: list[str]) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for variable in sorted(name for name in env if name.upper().startswith(PREFIX)):
        if variable in _OTHER_VARIABLES:
            continue
        field = _BY_VARIABLE.get(variable)
        if field is None:
            faults.append(f"{variable} is unknown{_unknown_hint(variable)}")
        elif env[variable].strip():
            given[field.name] = _Given(env[variable], f"environment {variable}")
    return given


def _read_all(given: Mapping[str, _Given], faults: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, item in given.items():
        try:
            values[name] = _BY_NAME[name].kind.read(item.value)
        except ValueError as error:
            faults.append(f"{name} ({item.source}) {error}")
    return values


def _find_api_key(values: dict[str, Any], given: dict[str, _Given], env: Mapping[str, str], faults: list[str]) -> None:
    """Fill in the vendor key from its file, or from the variables the vendor's own clients read."""
    name, file_name = "upstream.api_key", "upstream.api_key_file"
    if values.get(name) and values.get(file_name):
        faults.append(
            f"{name} ({given[name].source}) and {file_name} ({given[file_name].source}) contradict each other: "
            "keep one of them"
        )
        return
    found: _Given | None = None
    if values.get(file_name):
        found = _key_in_file(Path(values[file_name]), faults)
    elif name not in given:
        variable = next((variable for variable in KEY_VARIABLES if env.get(variable, "").strip()), None)
        found = _Given(env[variable], f"environment {variable}") if variable else None
    if found is not None:
        given[name] = found
        values |= _read_all({name: found}, faults)


def _key_in_file(path: Path, faults: list[str]) -> _Given | None:
    try:
        key = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        faults.append(f"upstream.api_key_file {path} cannot be read: {reason}")
        return None
    if not key:
        faults.append(f"upstream.api_key_file {path} is empty; it must hold the vendor key")
        return None
    return _Given(key, f"file {path}")


def _check_keys_file(settings: Settings, faults: list[str]) -> None:
    path = settings.access.keys_file
    if path and not Path(path).is_file():
        faults.append(f"access.keys_file {path} is not there; make it with `stock-service keys create`")


def _check_store_client(settings: Settings, faults: list[str]) -> None:
    if settings.shared.url and find_spec("redis") is None:
        faults.append(
            "shared.url needs the client of the store, which is an extra: pip install 'stock-service[shared]'"
        )


def _check_places(settings: Settings, faults: list[str]) -> None:
    trusted = settings.shared.ca_file
    if trusted and not Path(trusted).is_file():
        faults.append(f"shared.ca_file {trusted} is not there; name a file of PEM certificates, or unset it")
    folder = settings.cache.dir
    if folder and not (Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        faults.append(f"cache.dir {folder} is no folder this user can write to; make it, or unset cache.dir")


def _unknown_hint(variable: str) -> str:
    if _KUBERNETES.match(variable):
        return "; Kubernetes adds such names for a Service called stocks: set enableServiceLinks: false"
    return _nearest(variable.upper(), (*_BY_VARIABLE, *_OTHER_VARIABLES))


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; `stock-service config` lists the names"


def _single_line(error: Exception) -> str:
    return " ".join(str(error).split())
