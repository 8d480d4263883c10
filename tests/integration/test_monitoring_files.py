"""The files for Prometheus and Grafana: valid, and the alerts fire when they should."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.monitoring_files import FOLDER, alerts, panels

MINUTES = 30


@pytest.fixture
def promtool() -> str:
    """The program that checks Prometheus's files."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return program


def checked(*words: str) -> tuple[int, str]:
    """The exit code and the output of a command."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_prometheus_accepts_the_files(promtool: str) -> None:
    """The example of a configuration, with the alerts that it names."""
    code, said = checked(promtool, "check", "config", str(FOLDER / "prometheus.yml"))

    assert code == 0, said
    assert f"{len(alerts())} rules found" in said


def test_prometheus_can_parse_every_line_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    """As rules that record them."""
    rules = [{"record": f"line_{n}", "expr": each.expr} for n, each in enumerate(panels())]
    path = tmp_path / "lines.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "lines", "rules": rules}]}))
    code, said = checked(promtool, "check", "rules", str(path))

    assert code == 0, said


def case(*series: tuple[str, str], fires: str | None, after: str) -> dict[str, Any]:
    """A test of promtool: after so long, this alert alone fires; None: none does."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": after,
                "exp_samples": (
                    [{"labels": f'{{alertname="{fires}"}}', "value": 1}] if fires else []
                ),
            }
        ],
    }


IDLE = 'orch_workers{state="idle"}'
SILENT = 'orch_workers{state="silent"}'
READY = 'orch_tasks{state="ready",kind="train"}'
HEARD = 'orch_worker_last_heard_seconds{worker="w",host="h"}'
DISK = ("orch_disk_size_bytes", f"100x{MINUTES}")

CASES = [
    case((HEARD, f"2x{MINUTES}"), fires=None, after="20m"),
    case((HEARD, f"90x{MINUTES}"), fires="OrchWorkerSilent", after="20m"),
    case(
        ('orch_tasks{state="quarantined",kind="train"}', f"1x{MINUTES}"),
        fires="OrchTasksQuarantined",
        after="5m",
    ),
    case(
        ('orch_tasks{state="failed",kind="train"}', f"1x{MINUTES}"),
        fires="OrchTasksFailed",
        after="5m",
    ),
    case((READY, f"3x{MINUTES}"), (IDLE, f"0x{MINUTES}"), fires=None, after="9m"),
    case(
        (READY, f"3x{MINUTES}"),
        (IDLE, f"0x{MINUTES}"),
        (SILENT, f"2x{MINUTES}"),
        fires="OrchReadyWorkWithoutWorkers",
        after="12m",
    ),
    case((READY, f"3x{MINUTES}"), (IDLE, f"1x{MINUTES}"), fires=None, after="12m"),
    case((READY, f"0x{MINUTES}"), (IDLE, f"0x{MINUTES}"), fires=None, after="12m"),
    case(('orch_tasks_unfit{kind="train"}', f"2x{MINUTES}"), fires="OrchNoWorkerFits", after="12m"),
    case(('orch_tasks_unfit{kind="train"}', f"0x{MINUTES}"), fires=None, after="12m"),
    case(DISK, ("orch_disk_free_bytes", f"11x{MINUTES}"), fires=None, after="12m"),
    case(DISK, ("orch_disk_free_bytes", f"9x{MINUTES}"), fires="OrchDiskNearlyFull", after="12m"),
    case(("orch_store_up", f"0x{MINUTES}"), fires="OrchStoreUnreadable", after="12m"),
]


def test_each_alert_fires_when_it_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    """Prometheus's own engine on made-up series."""
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    path = tmp_path / "tests.yml"
    path.write_text(
        yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": CASES})
    )
    code, said = checked(promtool, "test", "rules", str(path))
    fired = {
        sample["labels"].split('"')[1]
        for each in CASES
        for sample in each["promql_expr_test"][0]["exp_samples"]
    }

    assert code == 0, said
    assert fired == {each.where for each in alerts()}


def test_expressions_are_whole_where_promtool_is_absent() -> None:
    """Brackets close, and each names a metric of orch."""
    for each in (*alerts(), *panels()):
        for left, right in ("()", "{}", "[]"):
            assert each.expr.count(left) == each.expr.count(right), each
        assert each.expr.count('"') % 2 == 0, each
        assert list(each.selectors()), each


def test_the_dashboard_asks_which_prometheus_to_use() -> None:
    """It names no data source of one installation."""
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    sources = {panel["datasource"]["uid"] for panel in dashboard["panels"]}

    assert sources == {"${datasource}"}
    assert [each["type"] for each in dashboard["templating"]["list"]] == ["datasource"]
