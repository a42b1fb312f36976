"""What the import table cannot say about the source files."""

from __future__ import annotations

import ast
import tomllib
from functools import cache

import pytest

from stock_service.config.sections import FIELDS, Field
from stock_service.wiring.translate import closed_sets
from tests.architecture.sources import PACKAGE, ROOT, Source, full_names, sources, uses

CLOCK_FILE = "src/stock_service/base/clock.py"
CLOCK_NAMES = (
    "time.",
    "asyncio.sleep",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
)
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
LINES_MAX = 350

# Devices do I/O or hold state the whole process shares; only these files may make one.
BUILDERS = ("src/stock_service/wiring.py", "src/stock_service/wiring/")
DEVICES = {
    "stock_service.access.gate.Gate",
    "stock_service.cache.flight.Flights",
    "stock_service.cache.memory.Memory",
    "stock_service.reads.quote_desk.QuoteDesk",
    "stock_service.reads.read_path.ReadPath",
    "stock_service.reads.replay.ReplayClient",
    "stock_service.reads.warm.Warmer",
    "stock_service.upstream.call.Upstream",
    "stock_service.upstream.client.VendorClient",
    "stock_service.upstream.recorder.RecordingClient",
    "stock_service.web.admin.Admin",
    "stock_service.web.api.Api",
    "stock_service.web.app.App",
    "stock_service.web.drain.Drain",
    "stock_service.web.gateway.Gateway",
    "stock_service.web.ops.Ops",
}

# Settings whose whole effect is on the reading of the settings: the key's file, and the refusal of an open door.
ANSWERED_BY_CONFIG = {"upstream.api_key_file", "access.allow_anonymous"}


def clock_readings(source: Source) -> list[str]:
    used = sorted(uses(source.tree, full_names(source.tree)))
    return [f"{source.path}:{line}: {name}" for name, line in used if name.startswith(CLOCK_NAMES)]


def constructions(source: Source) -> list[str]:
    names = full_names(source.tree)
    calls = (node.func for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    called = sorted({found for func in calls for found in uses(func, names)})
    return [f"{source.path}:{line}: {name}" for name, line in called if name in DEVICES]


def test_only_the_clock_reads_time_or_sleeps() -> None:
    assert [found for source in sources() if source.path != CLOCK_FILE for found in clock_readings(source)] == []


@pytest.mark.parametrize(
    ("code", "readings"),
    [
        ("import time\ntime.monotonic()", 1),
        ("import time as t\nx = t.time", 1),
        ("from time import sleep\nsleep(1)", 1),
        ("from asyncio import sleep as nap\nasync def f():\n    await nap(1)", 1),
        ("import datetime\ndatetime.datetime.now()", 1),
        ("from datetime import datetime, date\ndatetime.now(); date.today()", 2),
        ("from datetime import time\ntime(9, 30)", 0),
        ("import asyncio\nasyncio.timeout(1)", 0),
    ],
)
def test_the_clock_rule_sees_through_imports(code: str, readings: int) -> None:
    assert len(clock_readings(Source("x.py", code, ast.parse(code)))) == readings


def test_only_the_wiring_makes_devices() -> None:
    assert [
        found for source in sources() if not source.path.startswith(BUILDERS) for found in constructions(source)
    ] == []


def test_the_device_rule_fires() -> None:
    code = (
        "from stock_service.cache.memory import Memory\nimport stock_service.cache.flight as f\nMemory(1)\nf.Flights()"
    )
    assert len(constructions(Source("x.py", code, ast.parse(code)))) == 2


@pytest.mark.parametrize("device", sorted(DEVICES))
def test_every_named_device_is_still_a_class(device: str) -> None:
    module, _, name = device.rpartition(".")
    tree = ast.parse((ROOT / "src" / f"{module.replace('.', '/')}.py").read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.path)
def test_a_module_says_what_it_is_for_and_stays_readable(source: Source) -> None:
    assert ast.get_docstring(source.tree)
    assert len(source.text.splitlines()) <= LINES_MAX
    assert source.path.rpartition("/")[2].removesuffix(".py") not in VAGUE_NAMES


def test_packages_export_nothing() -> None:
    """The module path is the address; only the root names the version."""
    filled = [
        source.path
        for source in sources()
        if source.path.endswith("__init__.py")
        and source.path != "src/stock_service/__init__.py"
        and len(source.tree.body) > 1
    ]
    assert filled == []


def test_every_part_has_its_row_in_the_import_table() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    governed = {module for contract in table for module in contract.get("source_modules", ())}
    free = {"stock_service.cli", "stock_service.wiring", "stock_service.__main__", "stock_service.__init__"}
    parts = {
        f"stock_service.{path.stem}"
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - governed - free == set()


@cache
def attributes_outside_of_config() -> frozenset[str]:
    trees = (source.tree for source in sources() if "/config/" not in source.path)
    return frozenset(node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_setting_is_read_by_somebody(field: Field) -> None:
    """A setting that nothing reads is a promise nobody keeps."""
    assert field.key in attributes_outside_of_config() or field.name in ANSWERED_BY_CONFIG


def test_every_place_of_a_fault_has_its_series_from_the_start() -> None:
    """A series that begins with its first fault is no rise to the alert."""
    calls = (node for source in sources() for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    faults = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "Faulted"]
    assert {ast.literal_eval(node.args[0]) for node in faults} == set(closed_sets().faults)
