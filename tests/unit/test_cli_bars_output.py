"""`bars --output`: a file that cannot be written is one clear line, not a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from stock_service.cli.bars import _write
from stock_service.cli.exit_codes import ExitCode


def test_unwritable_file_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _write(tmp_path / "missing" / "bars.csv", b"time\n")
    assert ended.value.code == ExitCode.FAILED
    assert capsys.readouterr().err.count("\n") == 1


def test_file_is_written_whole(tmp_path: Path) -> None:
    _write(tmp_path / "bars.csv", b"time\n")
    assert (tmp_path / "bars.csv").read_bytes() == b"time\n"
