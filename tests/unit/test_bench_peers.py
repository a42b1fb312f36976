"""A peer of the benchmark that cannot run is skipped, in one line that says what to install."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import peers
from bench.peers import GIN, PEERS


def _refusal(root: Path) -> str:
    with pytest.raises(RuntimeError) as refused, PEERS[GIN](root, root / "body", 9):
        pass
    return str(refused.value)


def test_without_go_the_line_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_program", lambda name: None)
    assert _refusal(tmp_path) == f"go is not installed (apt-get install {peers._GO_PACKAGES})"


def test_without_the_libraries_the_line_names_them_and_what_go_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'main.go:10:2: cannot find package' >&2\necho 'in GOPATH' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setattr(peers, "find_program", lambda name: os.fspath(go))
    line = _refusal(tmp_path)
    assert "\n" not in line
    assert peers._GO_PACKAGES in line
    assert line.endswith("main.go:10:2: cannot find package in GOPATH")
