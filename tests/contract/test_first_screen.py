"""A newcomer's first minute: the demo starts, says what runs, and what README and its screen propose works as typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

from tests.support.tools import require

pytestmark = pytest.mark.system_tool("curl")

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text("utf-8")
FIRST = README.partition("## Try it in a minute")[2].partition("\n## ")[0]
WITHIN = 60.0  # seconds; the machine may be busy with other tests


@dataclass(slots=True)
class Demo:
    """A running demo: its screen and its address."""

    process: subprocess.Popen[str]
    screen: str
    url: str

    def type(self, command: str) -> str:
        """Run a line as it would be typed in the repository, against this demo's port; return what it prints."""
        line = command.replace("http://127.0.0.1:8080", self.url).replace(".venv/bin/", f"{BIN}/")
        env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "STOCKS_CLIENT_URL": self.url}
        done = subprocess.run(
            ["bash", "-c", line], cwd=ROOT, env=env, capture_output=True, text=True, timeout=WITHIN, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    require("curl")
    command = [sys.executable, "-m", "stock_service", "demo", "--port", "0"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKS_", "POLYGON_"))}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    while (line := process.stderr.readline()).strip():
        lines.append(line)
    found = re.search(r"address +(http://127\.0\.0\.1:\d+)", "".join(lines))
    assert found is not None, lines
    try:
        yield Demo(process, "".join(lines), found[1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def readme_commands() -> list[str]:
    lines = re.findall(r"^\$ (.+)$", FIRST, re.MULTILINE)
    assert lines[0] == "make run"
    return lines[1:]


def test_the_screen_says_what_runs_where_for_whom_and_on_which_budget(demo: Demo) -> None:
    facts = dict(re.findall(r"^  (\w+) +(.+)$", demo.screen.partition("Try")[0], re.MULTILINE))
    assert facts["address"].startswith(demo.url)
    assert facts["vendor"].startswith("simulated, at http://127.0.0.1:")
    assert facts["budget"].startswith("100 calls per 1.05 s")
    assert facts["clients"] == "anybody on this machine; any key or none"
    assert "demo-key" not in demo.screen


@pytest.mark.parametrize("command", readme_commands())
def test_a_line_of_the_readme_works_as_typed(demo: Demo, command: str) -> None:
    shown = {
        "curl": '"AAPL"',
        "quote": "AAPL ",
        "bars": "\n2024-01-31T05:00:00Z ",
        "status": "\ncircuit_breaker.state ",
    }
    word = next(word for word in shown if f" {word}" in f" {command}")
    assert shown[word] in demo.type(command)


def test_the_python_of_the_readme_works_as_typed(demo: Demo) -> None:
    code = re.findall(r"^```python\n(.+?)^```", FIRST, re.MULTILINE | re.DOTALL)
    assert len(code) == 1
    bars = demo.type(f"python - <<'END'\n{code[0]}END").splitlines()
    assert len(bars) > 1_000
    assert all(re.fullmatch(r"\d{13} \d+\.\d+", bar) for bar in bars)


def test_what_the_screen_proposes_works_as_typed(demo: Demo) -> None:
    proposed = re.findall(r"^  ((?:curl|python) .+)$", demo.screen, re.MULTILINE)
    assert len(proposed) == 3
    for command in proposed:
        assert "AAPL" in demo.type(command)


def test_every_link_of_the_docs_page_answers_and_none_leads_elsewhere(demo: Demo) -> None:
    page = demo.type("curl -sf http://127.0.0.1:8080/docs")
    links = [unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', page)]
    assert len(links) > 10
    for link in links:
        assert link.startswith("/")
        assert demo.type(f"curl -sfg 'http://127.0.0.1:8080{link}'")


def test_a_taken_port_is_said_in_one_line(demo: Demo) -> None:
    port = demo.url.rpartition(":")[2]
    for command, place in (("serve", f"127.0.0.1:{port}"), ("demo", f"port {port}"), ("simulate", f"port {port}")):
        line = [sys.executable, "-m", "stock_service", command, "--port", port]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith(f"cannot listen on {place}: ")
        assert done.stderr.count("\n") == 1


def test_ctrl_c_ends_the_demo_with_0(demo: Demo) -> None:
    """Last of this file: the demo is shared."""
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(WITHIN) == 0
