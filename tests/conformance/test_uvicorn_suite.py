"""uvicorn's own HTTP protocol tests hold for our class too, save those that state what we do otherwise on purpose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance import uvicorn_suite
from tests.conformance.uvicorn_suite import SuiteMissing, run_suite

_NO_TIMERS = "deadlines are kept by one sweep over all connections, not by a timer each (guard_sweeper)"
_OWN_REFUSAL = "refused with 400 as theirs is, but with a body the vendor's clients can read (guard_faults)"
_LIMITED = "32 KiB of header is more than we take: refused with 431 (guard_head)"
_HELD_BACK = "a head leaves with its body: an answer that never came is still a 500 (guard_cycle)"
_NOT_LIMITED = "how much runs at once is the application's to limit (app)"
_NOT_SAID = "answered plainly and closed, as no protocol is offered to change to; clients' wishes are not logged"

DIFFERENT = {
    "test_keepalive_timeout[httptools]": _NO_TIMERS,
    "test_keepalive_timeout_with_pipelined_requests[httptools]": _NO_TIMERS,
    "test_shutdown_during_idle[httptools]": "what looks idle gets a moment: a request may be on its way (server)",
    "test_invalid_http_request[httptools-invalid-method]": _OWN_REFUSAL,
    "test_invalid_http_request[httptools-invalid-path]": _OWN_REFUSAL,
    "test_invalid_http_request[httptools-invalid-http-version]": _OWN_REFUSAL,
    "test_httptools_http10_keep_alive_disabled": "an HTTP/1.0 client that asks to stay is told it may (guard_protocol)",
    "test_partial_response_returned[httptools]": _HELD_BACK,
    "test_max_concurrency[httptools]": _NOT_LIMITED,
    "test_huge_headers_httptools_will_pass": _LIMITED,
    "test_huge_headers_httptools": _LIMITED,
    "test_unsupported_ws_upgrade_request_warn_on_auto[httptools]": _NOT_SAID,
    "test_header_upgrade_is_not_websocket_depend_installed[httptools]": _NOT_SAID,
    "test_header_upgrade_is_websocket_depend_not_installed[httptools]": _NOT_SAID,
}
PASSED_AT_LEAST = 75  # of those with the class: a suite that is skipped proves nothing


def test_uvicorns_own_tests_hold_but_for_the_listed_ones(tmp_path: Path) -> None:
    """The list is exact: a test on it that passes is as much a failure as one beside it that fails."""
    outcomes = run_suite(_suite(), tmp_path / "report.xml")
    assert {name for name, outcome in outcomes.items() if outcome == "failed"} == set(DIFFERENT)
    assert sum(outcome == "passed" for outcome in outcomes.values()) >= PASSED_AT_LEAST


@pytest.mark.parametrize(("pipeline", "ending"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_an_index_the_suite_is_skipped_and_in_a_pipeline_it_fails(
    pipeline: str, ending: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pipeline that silently tests less is worse than a red one."""
    monkeypatch.setattr(uvicorn_suite, "TOOLS", tmp_path)
    monkeypatch.setattr(uvicorn_suite, "VERSION", "0.0.0+none")
    monkeypatch.setenv("CI", pipeline)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ending, match="cannot fetch the source of uvicorn"):
        _suite()


def _suite() -> Path:
    try:
        return uvicorn_suite.fetch_suite()
    except SuiteMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
