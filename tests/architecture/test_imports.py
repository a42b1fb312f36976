"""Every module can be imported, whoever imports it and whatever else is there already."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own, for the modules here are those of the other tests.
IMPORT_ALL = """
import importlib, pkgutil, sys
import stock_service
found = pkgutil.walk_packages(stock_service.__path__, "stock_service.")
names = sorted((module.name for module in found), reverse=sys.argv[1] == "backwards")
for name in names:
    importlib.import_module(name)
print(len(names))
"""
MODULES_LEAST = 200


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_every_module_can_be_imported(order: str) -> None:
    """In either order, so that of two modules that need each other one is the first; a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL, order],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= MODULES_LEAST
