"""Metrics: the name of every number the web processes export, with its unit.

Each application has a registry of its own. Under several gunicorn workers the numbers of all of them are added up from
the files in `PROMETHEUS_MULTIPROC_DIR`, which `prometheus_client` reads by itself.

What may surprise: a request for a path that no route matches is counted under the one label `unmatched`, and one with
a method that HTTP does not define is not counted at all. Otherwise strangers could make time series without end.
"""

from dataclasses import dataclass
from typing import Self

from flask import Flask, Request, request
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_flask_exporter import PrometheusMetrics

#: `rate_http_request_duration_seconds{method, url_rule, status}`, `rate_http_request_total{method, status}` and
#: `rate_http_request_exceptions_total{method, status}` are made by prometheus-flask-exporter.
HTTP_PREFIX = "rate"
#: Seconds. The last ones are for long polls.
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class Metrics:
    """The numbers of one application."""

    http: PrometheusMetrics
    #: Requests accepted (committed), by where they came from.
    accepted: Counter
    #: Items in them.
    items: Counter
    #: HTTP requests that wait for an answer right now.
    waiting: Gauge

    @classmethod
    def install(cls, app: Flask) -> Self:
        """Return the numbers, with every request to `app` measured from now on."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        app.before_request(skip_strange_methods)
        return cls(
            http=PrometheusMetrics(
                app,
                path=None,
                defaults_prefix=HTTP_PREFIX,
                group_by=url_rule,
                buckets=HTTP_BUCKETS,
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


def url_rule(request: Request) -> str:
    """Return the route's pattern. Its own name is the label's name."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def skip_strange_methods() -> None:
    """Have the exporter leave out a request whose method is a word of the caller's own."""
    if request.method not in METHODS:
        request.prom_do_not_track = True  # type: ignore[attr-defined]
