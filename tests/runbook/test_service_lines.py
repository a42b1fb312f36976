"""The runbook's curl lines against the real service, through nginx set up from the rendered Ingress."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from stock_service.reads.purge_feed import HEARD_FOR
from tests.support.kube_chart import CHART, Manifest, render
from tests.support.nginx_front import Front, nginx_front
from tests.support.runbook import promised, typed
from tests.support.running import Pair, running_pair

PREV = "http://localhost:8080/v2/aggs/ticker/AAPL/prev"
LOOPBACK_ALLOWED = ("--set", "ingress.restricted.allowedCidrs={127.0.0.0/8}")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A service that has answered one question, in front of the simulated vendor."""
    with running_pair() as running:
        urlopen(f"{running.gateway.url}/v2/aggs/ticker/AAPL/prev").close()
        yield running


def port_of(pair: Pair) -> int:
    return int(pair.gateway.url.rsplit(":", 1)[1])


def shell(line: str) -> str:
    """Run a line as typed; a pipe fails when any part of it does."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


def here(line: str, pair: Pair) -> str:
    """Run a line whose localhost:8080 is the port-forward to this service."""
    return shell(line.replace("http://localhost:8080", pair.gateway.url).replace("curl ", "curl -sS "))


def test_the_breakers_lines_show_its_state(pair: Pair) -> None:
    """0 closed, 1 half-open, 2 open: the number the alert compares with."""
    promised("circuit-breaker-open", "(0 closed, 1 half-open, 2 open)")
    seen = here(typed("curl http://localhost:8080/metrics | grep circuit_breaker"), pair)
    assert "\nstock_service_circuit_breaker_state 0.0\n" in seen
    promised("minutes-5-to-15", "`stock_service_circuit_breaker_state` is 0 closed, 1 half-open, 2 open.")
    promised("minutes-5-to-15", "`curl http://localhost:8080/circuit-breaker` says the same")
    assert json.loads(here("curl http://localhost:8080/circuit-breaker", pair))["state"] == "closed"


def test_the_shared_stores_lines_show_whether_it_is_used_and_what_was_damaged(pair: Pair) -> None:
    """None is configured here, and the counter is there from the start."""
    assert json.loads(here(typed("curl http://localhost:8080/status"), pair))["shared"] is None
    seen = here(typed("curl http://localhost:8080/metrics | grep shared_damaged"), pair)
    assert "stock_service_shared_damaged_total{" in seen


def test_an_overridden_breaker_is_let_decide_again(tmp_path: Path) -> None:
    """By whoever holds a key with the right."""
    keys = tmp_path / "keys.jsonl"
    made = shell(f"{sys.executable} -m stock_service keys create ops --admin --file {keys}")
    line = typed(
        """curl -X POST -H "Authorization: Bearer $ADMIN_KEY" -d '{"mode": "none"}' """
        "http://localhost:8080/admin/circuit-breaker"
    )
    key = f"ADMIN_KEY={made.strip()}"
    with running_pair(flags={"access.keys_file": str(keys)}) as pair:
        here(f"{key}; {line.replace('none', 'force_open')}", pair)
        assert "stock_service_circuit_breaker_override 1.0" in here("curl http://localhost:8080/metrics", pair)
        here(f"{key}; {line}", pair)
        assert "stock_service_circuit_breaker_override 0.0" in here("curl http://localhost:8080/metrics", pair)


def test_wrong_answers_are_forgotten_where_the_line_says(tmp_path: Path) -> None:
    """Here by the only pod there is; with a store by all (`tests/contract/test_purged_everywhere.py`)."""
    keys = tmp_path / "keys.jsonl"
    made = shell(f"{sys.executable} -m stock_service keys create ops --admin --file {keys}")
    preview = typed('stock-service purge AAPL --preview --url http://localhost:8080 --key "$ADMIN_KEY"')
    purge = typed('stock-service purge AAPL --url http://localhost:8080 --key "$ADMIN_KEY"')
    promised("wrong-answers", "one pod tells the others within 5 seconds")
    assert HEARD_FOR == 5.0
    promised("wrong-answers", "exit code 1 means that only the pod that was told could be reached")
    with running_pair(flags={"access.keys_file": str(keys)}) as pair:

        def type_in(line: str) -> str:
            words = line.replace("stock-service", f"{sys.executable} -m stock_service", 1)
            return here(f"ADMIN_KEY={made.strip()}; {words}", pair)

        here(f'ADMIN_KEY={made.strip()}; curl -f -H "Authorization: Bearer $ADMIN_KEY" {PREV}', pair)
        for line in (preview, purge):
            assert type_in(line).startswith("AAPL: 1 answers and 0 series of bars")
        told = type_in(purge)
        assert told.startswith("AAPL: 0 answers")
        assert "tell each of them" in told


def test_the_cache_lines_show_hits_and_misses(pair: Pair) -> None:
    """From the first scrape on."""
    seen = here(typed("curl http://localhost:8080/metrics | grep cache"), pair)
    assert "stock_service_cache_hits_total" in seen
    assert "stock_service_cache_misses_total" in seen


def test_the_vendors_latency_line_shows_its_answers(pair: Pair) -> None:
    """By endpoint and outcome."""
    seen = here(typed("curl http://localhost:8080/metrics | grep stock_api_duration"), pair)
    assert 'stock_service_stock_api_duration_seconds_count{endpoint="prev",outcome="ok"} 1.0' in seen


def test_the_quota_line_shows_who_spends_the_calls(pair: Pair) -> None:
    """By the id of the client's key."""
    seen = here(typed("curl http://localhost:8080/metrics | grep client_vendor_calls"), pair)
    assert 'stock_service_client_vendor_calls_total{client="anonymous"} 1.0' in seen


def test_health_is_good_while_the_vendor_is_not() -> None:
    """Its text says degraded when the breaker is not closed; the status stays 200, and what was never asked is 503."""
    promised("service", "`/health`: 200 while the process lives", '(`"status":"degraded"`)')
    promised("minutes-15-to-30", "what was never fetched is 503 with `Retry-After`")
    with running_pair(flags={"breaker.volume": 1}) as broken:
        rule = json.dumps([{"kind": "status", "params": {"status": 500}}])
        shell(f"curl -sSf -d '{rule}' {broken.simulator.url}/__simulator__/faults")
        asked = "curl -D - http://localhost:8080/v2/aggs/ticker/AAPL/prev"
        while "503 " not in (told := here(asked, broken)):
            assert "502 " in told
        assert "retry-after:" in told.lower()
        health = here("curl -D - http://localhost:8080/health", broken)
    assert health.startswith("HTTP/1.1 200")
    assert '"status":"degraded"' in health


def test_an_open_breaker_waits_for_the_next_question() -> None:
    """Time alone does not close it; a page about it may outlive the trouble on a quiet night."""
    promised("circuit-breaker-open", "With nobody asking it stays open, also when the vendor is well again")
    promised("circuit-breaker-open", 'with `"next_try_in":null` the next question of that part is the probe')
    with running_pair(flags={"breaker.volume": 1, "breaker.sleep": "100ms"}) as pair:
        rule = json.dumps([{"kind": "status", "params": {"status": 500}}])
        shell(f"curl -sSf -d '{rule}' {pair.simulator.url}/__simulator__/faults")
        here("curl http://localhost:8080/v2/aggs/ticker/AAPL/prev", pair)
        shell(f"curl -sSf -X DELETE {pair.simulator.url}/__simulator__/faults")
        while (part := breaker_of_prev(pair))["next_try_in"] is not None:
            assert part["state"] == "open"
        assert part["state"] == "open"
        here("curl http://localhost:8080/v2/aggs/ticker/MSFT/prev", pair)
        assert breaker_of_prev(pair)["state"] == "closed"


def breaker_of_prev(pair: Pair) -> dict[str, Any]:
    told = json.loads(here("curl http://localhost:8080/circuit-breaker", pair))
    return dict(told["classes"]["prev"])


def ingresses(*arguments: str) -> list[Manifest]:
    return [item for item in render(*arguments) if item["kind"] == "Ingress"]


@pytest.fixture
def production(pair: Pair, tmp_path: Path) -> Iterator[Front]:
    """your-domain, as seen from an allowed network."""
    values = ("-f", str(CHART / "values-production.yaml"), *LOOPBACK_ALLOWED)
    with nginx_front(tmp_path, ingresses(*values), [port_of(pair)]) as front:
        yield front


def test_the_lines_after_a_deployment_answer_through_the_ingress(production: Front) -> None:
    """Over TLS, no path rewritten."""
    assert json.loads(shell(production.curl(typed("curl https://your-domain/health"))))["status"] == "ok"
    seen = shell(production.curl(typed("curl https://your-domain/metrics | grep stock_service")))
    assert "stock_service_build_info" in seen
    assert "AAPL" in shell(production.curl("curl https://your-domain/v2/aggs/ticker/AAPL/prev"))


def test_metrics_are_for_listed_networks_only(pair: Pair, tmp_path: Path) -> None:
    """Loopback is not in the default list; data is for everybody who has a key."""
    promised("after-a-deployment", "`/metrics` answers listed networks only")
    values = ("-f", str(CHART / "values-production.yaml"))
    with nginx_front(tmp_path, ingresses(*values), [port_of(pair)]) as front:
        for path, code in (("metrics", "403"), ("status", "403"), ("admin/circuit-breaker", "403"), ("health", "200")):
            line = f"curl -o /dev/null -w '%{{http_code}}' https://your-domain/{path}"
            assert shell(front.curl(line)) == code, path


def test_plain_http_answers_in_staging_without_a_redirect(pair: Pair, tmp_path: Path) -> None:
    """curl does not follow one, and would be content with it."""
    values = ("-f", str(CHART / "values-staging.yaml"), *LOOPBACK_ALLOWED)
    with nginx_front(tmp_path, ingresses(*values), [port_of(pair)]) as front:
        assert json.loads(shell(front.curl(typed("curl http://staging-endpoint/health"))))["status"] == "ok"
        assert "stock_service_" in shell(front.curl(typed("curl http://staging-endpoint/metrics")))


def test_asking_the_vendor_without_a_key_means_reachable(pair: Pair, tmp_path: Path) -> None:
    """The line is typed without a key: 401 is as good as 200. The simulator stands for the vendor, behind TLS."""
    promised("minutes-0-to-5", '401 and 200 both mean "reachable"')
    vendor = int(pair.simulator.url.rsplit(":", 1)[1])
    ingress = ingresses("-f", str(CHART / "values-production.yaml"))[0]
    spec = ingress["spec"] | {"rules": [ingress["spec"]["rules"][0] | {"host": "api.polygon.io"}]}
    with nginx_front(tmp_path, [ingress | {"spec": spec}], [vendor]) as front:
        head = shell(front.curl(typed("curl -I https://api.polygon.io/v1/marketstatus/now")))
    assert head.split()[1] in ("200", "401")
