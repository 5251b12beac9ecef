"""Metrics: the name of every number the web processes export, with its unit.

Each application has a registry of its own. Under several gunicorn workers the numbers of all of them are added up from
the files in `PROMETHEUS_MULTIPROC_DIR`, which `prometheus_client` reads by itself.

What may surprise: a request for a path that no route matches is counted under the one label `unmatched`, and one with
a method that HTTP does not define is not counted at all. Otherwise strangers could make time series without end.

The numbers of requests are those of prometheus-flask-exporter, by the same names, and it writes them out. They are
counted here, because it looks their labels up anew for every request, and because not every request is Flask's.
"""

from dataclasses import dataclass, field
from typing import Self

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_flask_exporter import PrometheusMetrics

from app.telemetry import timing

#: Seconds. The last ones are for long polls.
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: In place of the route's pattern, where no route matches.
UNMATCHED = "unmatched"


@dataclass(frozen=True)
class Metrics:
    """The numbers of one application."""

    exporter: PrometheusMetrics
    #: HTTP requests, by what was asked and the answer's status, and how long they took.
    duration: Histogram
    requests: Counter
    #: Those that ended in an error that nobody expected.
    exceptions: Counter
    #: Requests accepted (committed), by where they came from.
    accepted: Counter
    #: Items in them.
    items: Counter
    #: HTTP requests that wait for an answer right now.
    waiting: Gauge
    #: The series of one method, pattern and status, looked up once.
    _series: dict[tuple[str, str, int], tuple[Histogram, Counter]] = field(default_factory=dict)
    #: Those of one source.
    _sources: dict[str, tuple[Counter, Counter]] = field(default_factory=dict)

    @classmethod
    def install(cls, app: Flask) -> Self:
        """Return the numbers, with every request to `app` measured from now on."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        metrics = cls(
            exporter=PrometheusMetrics(app, path=None, export_defaults=False, registry=registry),
            duration=Histogram(
                "rate_http_request_duration_seconds",
                "HTTP request duration in seconds.",
                ["method", "url_rule", "status"],
                buckets=HTTP_BUCKETS,
                registry=registry,
            ),
            requests=Counter("rate_http_request_total", "HTTP requests.", ["method", "status"], registry=registry),
            exceptions=Counter(
                "rate_http_request_exceptions_total",
                "HTTP requests that ended in an unexpected error.",
                ["method", "status"],
                registry=registry,
            ),
            accepted=Counter(
                "rate_validations_accepted_total", "Validation requests accepted.", ["source"], registry=registry
            ),
            items=Counter("rate_items_accepted_total", "Items in accepted requests.", ["source"], registry=registry),
            waiting=Gauge(
                "rate_waiters",
                "HTTP requests waiting for an answer.",
                multiprocess_mode="livesum",
                registry=registry,
            ),
        )
        measure(app, metrics)
        return metrics

    def taken(self, source: str, items: int) -> None:
        """Count a request that was accepted, with so many items."""
        series = self._sources.get(source)
        if series is None:
            series = self._sources[source] = self.accepted.labels(source), self.items.labels(source)
        accepted, taken = series
        accepted.inc()
        taken.inc(items)

    def answered(self, method: str, rule: str, status: int, seconds: float) -> None:
        """Count a request, for a route of this pattern, that was answered with this status after so long."""
        if method not in METHODS:
            return
        series = self._series.get((method, rule, status))
        if series is None:
            series = self.duration.labels(method, rule, str(status)), self.requests.labels(method, str(status))
            self._series[method, rule, status] = series
        duration, requests = series
        duration.observe(seconds)
        requests.inc()


def measure(app: Flask, metrics: Metrics) -> None:
    """Have every request to `app` counted."""

    def begin() -> None:
        timing.begin(request.environ)

    def answered(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule else UNMATCHED
        metrics.answered(request.method, rule, response.status_code, timing.elapsed_s(request.environ))
        return response

    def unexpected(error: BaseException | None) -> None:
        if error is not None and request.method in METHODS:
            metrics.exceptions.labels(request.method, "500").inc()

    app.before_request(begin)
    app.after_request(answered)
    app.teardown_request(unexpected)
