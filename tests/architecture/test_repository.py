"""What holds for every file of the repository, and for the locked packages."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, full_names, sources, tracked_files

# Written in parts, so that this file does not hold what it looks for.
FORBIDDEN = {
    "address of a package registry": re.compile("pypi" + r"\.org|files\." + r"pythonhosted|registry\." + "npmjs"),
    "path of one machine": re.compile(r"(?<![\w.~/-])/" + r"(?:work/(?:main|shared)|root|opt/py" + r"pi|home/\w+)\b"),
    "secret": re.compile("AKIA" + r"[0-9A-Z]{16}|BEGIN (?:RSA |EC )?PRIVATE" + " KEY|gh" + r"p_\w{30,}"),
}
# uvicorn loads the first two by name, zoneinfo reads the third where the system has no zone files.
USED_THROUGH_OTHERS = {"httptools", "uvloop", "tzdata"}
LOCKS = ("build.txt", "dev.txt", "runtime.txt", "tools.txt")
_PIN = re.compile(r"([a-z0-9.-]+)==(\S+)(?: ; (.+?))?(?: \\)?\Z")


def texts() -> list[tuple[str, str]]:
    found = []
    for file in tracked_files():
        try:
            found.append((file.relative_to(ROOT).as_posix(), file.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def pins(lock: str) -> dict[tuple[str, str], str]:
    """Return the version of each locked package, by name and environment marker."""
    lines = (ROOT / "requirements" / lock).read_text("utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith(" "):
            matched = _PIN.match(line)
            assert matched, line
            found[matched[1], matched[3] or ""] = matched[2]
    return found


def test_nothing_names_a_registry_a_machine_or_a_secret() -> None:
    offences = [
        f"{path}: {what}: {match.group(0)}"
        for path, text in texts()
        for what, pattern in FORBIDDEN.items()
        for match in pattern.finditer(text)
    ]
    assert offences == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("https://" + "pypi" + ".org/simple", "address of a package registry"),
        ("cd /" + "work/main", "path of one machine"),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "secret"),
    ],
)
def test_each_forbidden_pattern_fires(text: str, what: str) -> None:
    assert FORBIDDEN[what].search(text)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text("utf-8")
    assert re.findall(r"://|index-url|find-links|trusted-host|^-", text, re.MULTILINE) == []
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert len(pins(lock)) == len(blocks)


@pytest.mark.parametrize("lock", ["runtime.txt", "build.txt"])
def test_the_small_locks_are_parts_of_the_large_one(lock: str) -> None:
    """What users run is what was tested."""
    tested = {(name, version) for (name, _), version in pins("dev.txt").items()}
    assert {(name, version) for (name, _), version in pins(lock).items()} - tested == set()


def test_everything_the_service_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[\[<>=!~; ]", line)[0].replace("_", "-").lower() for line in project["dependencies"]}
    assert needed - {name for name, _ in pins("runtime.txt")} == set()


def test_the_image_can_use_a_shared_store() -> None:
    """The chart offers one, and nobody can add an extra to an image."""
    assert {"redis", "hiredis"} <= {name for name, _ in pins("runtime.txt")}


def test_what_is_declared_is_what_is_imported() -> None:
    """Neither an import that comes along by luck, nor a dependency nobody uses."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {re.split(r"[\[<>=!~; ]", line)[0].replace("-", "_").lower() for line in lines}
    imported = {name.split(".")[0] for source in sources() for name in full_names(source.tree).values()}
    foreign = imported - set(sys.stdlib_module_names) - {"stock_service"}
    assert foreign - declared == set()
    assert declared - foreign - USED_THROUGH_OTHERS == set()


def test_each_dependency_is_accounted_for_in_the_docs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    named = {re.split(r"[\[<>=!~; ]", line)[0] for line in lines}
    assert {name for name in named if f"`{name}`" not in page} == set()


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_make_lists_every_target() -> None:
    """Plain `make` is help, and starts nothing."""
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make (\S+)", shown, re.MULTILINE)) >= {
        "run", "test", "check", "fix", "bench", "storm", "fuzz", "drill", "help", "lock",
    }  # fmt: skip


@pytest.mark.parametrize(
    "script",
    sorted(path for path in (ROOT / "scripts").iterdir() if path.suffix == "" and path.is_file()),
    ids=lambda path: path.name,
)
def test_scripts_are_valid_shell_and_stop_at_the_first_fault(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert re.search(r"^set -e?uo pipefail$", script.read_text("utf-8"), re.MULTILINE)
    assert script.stat().st_mode & 0o111
