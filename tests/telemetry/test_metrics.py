import os
import subprocess
import sys
from pathlib import Path

from flask import Flask

from app.telemetry.metrics import Metrics

COUNT_AND_SHOW = """
from flask import Flask
from app.telemetry.metrics import Metrics

app = Flask("app")
metrics = Metrics.install(app)
metrics.accepted.labels("api").inc()
app.test_client().get("/nothing")
print(metrics.exporter.generate_metrics()[0])
"""


def shown(metrics: Metrics) -> str:
    lines, _ = metrics.exporter.generate_metrics()
    return str(lines)


def test_each_application_has_numbers_of_its_own() -> None:
    first, second = Metrics.install(Flask("first")), Metrics.install(Flask("second"))

    first.accepted.labels("api").inc()

    assert 'rate_validations_accepted_total{source="api"} 1.0' in shown(first)
    assert 'rate_validations_accepted_total{source="api"}' not in shown(second)


def test_the_numbers_of_all_processes_are_added_up(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", COUNT_AND_SHOW], env=env, capture_output=True, text=True, check=True
        ).stdout

    run()
    second = run()

    assert 'rate_validations_accepted_total{source="api"} 2.0' in second
    unmatched = 'rate_http_request_duration_seconds_count{method="GET",status="404",url_rule="unmatched"} 2.0'
    assert unmatched in second


def test_a_number_says_its_unit_in_its_name() -> None:
    families = Metrics.install(Flask("app")).exporter.registry.collect()

    units = ("_seconds", "_bytes", "_total", "_created", "_info", "_fds", "rate_waiters")
    for name in (family.name for family in families):
        # A counter's family is named without its _total.
        assert f"{name}_total".endswith(units), name
