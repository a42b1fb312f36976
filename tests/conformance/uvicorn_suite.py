"""Gets uvicorn's own HTTP protocol tests, of the version that is installed, and runs them against our class.

They are in uvicorn's source distribution, fetched once with pip into `.tools/`, which is not under version control.
Only the name of the class is replaced in them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
VERSION = metadata.version("uvicorn")

_FETCH_FOR = 120.0
_RUN_FOR = 120.0
_REPLACED = {
    "tests/conftest.py": ("uvicorn.protocols.http.httptools_impl:HttpToolsProtocol", "uvicorn_adapter:Adapted"),
    "tests/protocols/test_http.py": (
        "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol",
        "from uvicorn_adapter import Adapted as HttpToolsProtocol",
    ),
}


class SuiteMissing(Exception):
    """The tests could not be fetched; the text says why."""


def fetch_suite() -> Path:
    """Return the directory that holds uvicorn's `tests`, adapted; fetches it when it is not there.

    Raises:
        SuiteMissing: there is no package index to be reached, or it lacks the source distribution.
    """
    place = TOOLS / f"uvicorn-tests-{VERSION}"
    if not place.exists():
        TOOLS.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=TOOLS) as scratch:
            _download(Path(scratch))
            _unpack(next(Path(scratch).glob("*.tar.gz")), Path(scratch) / "unpacked")
            (Path(scratch) / "unpacked").rename(place)
    for name, (theirs, ours) in _REPLACED.items():
        file = place / name
        text = file.read_text("utf-8")
        assert theirs in text or ours in text, f"{name} of uvicorn {VERSION} does not name the class as it used to"
        file.write_text(text.replace(theirs, ours), "utf-8")
    return place


def run_suite(place: Path, report: Path) -> dict[str, str]:
    """Run the tests; return `passed`, `failed` or `skipped` for each by name."""
    (place / "pytest.ini").write_text("[pytest]\n", "utf-8")  # theirs alone: nothing of ours decides how they run
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT / "src"), str(place)])
    ran = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov",
            "-k", "not h11 and not zttp", f"--junitxml={report}", "tests/protocols/test_http.py",
        ],
        cwd=place, env=os.environ | {"PYTHONPATH": paths}, timeout=_RUN_FOR,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stdout[-2_000:] + ran.stderr[-2_000:]
    return {str(case.get("name")): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def _outcome(case: ElementTree.Element) -> str:
    if case.find("skipped") is not None:
        return "skipped"
    return "passed" if case.find("failure") is None and case.find("error") is None else "failed"


def _download(into: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-binary", "uvicorn", "--no-build-isolation", "--dest", str(into), f"uvicorn=={VERSION}",
    ]  # fmt: skip
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_FOR, check=False)
    except subprocess.TimeoutExpired:
        raise SuiteMissing(f"pip did not fetch uvicorn {VERSION} within {_FETCH_FOR:.0f} s") from None
    if ran.returncode != 0:
        raise SuiteMissing(f"pip cannot fetch the source of uvicorn {VERSION}: {ran.stderr.strip()[-300:]}")


def _unpack(archive: Path, place: Path) -> None:
    with tarfile.open(archive) as package:
        top = f"uvicorn-{VERSION}/"
        members = [each for each in package.getmembers() if each.name.startswith(f"{top}tests/")]
        for member in members:
            member.name = member.name.removeprefix(top)
        package.extractall(place, members, filter="data")
