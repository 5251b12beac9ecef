"""Settings of one process, frozen and checked; `from_env` is the only reader of the environment.

An unknown `RATE_…` variable or a value of the wrong kind stops the process at start, with a hint: a typing
mistake must not become a default that nobody notices.
"""

import dataclasses
import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit, urlunsplit

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]
Switch = Literal["on", "off"]
Certificate = Literal["checked", "unchecked"]

#: Variables that a platform sets under its own names; everything else is `RATE_` + the field's name.
PLATFORM_NAMES = {
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "sentry_dsn": "SENTRY_DSN",
    "otel_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}
PREFIX = "RATE_"


class SettingsError(Exception):
    """The environment cannot be used as it is. The message has one line for each thing to mend."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one process needs to know. Durations carry their unit in the name."""

    #: PostgreSQL 15 or newer; `postgres://` and `postgresql://` are both taken.
    database_url: str = field(repr=False)
    #: Redis 7.0 or newer (6.2 for the embedded default); `rediss://` for TLS.
    redis_url: str = field(repr=False)
    #: Whether a `rediss://` server must show a known certificate. Heroku signs its own, and sets the URL itself.
    redis_certificate: Certificate = "checked"
    #: Prefix of every Redis key, for a Redis that is shared with others.
    redis_namespace: str = ""

    #: Connections a process may open to Postgres, and then keeps: to open one costs more than most requests.
    #: One more is for what every request asks: on it a web process commits requests, and a worker judges them.
    database_pool_size: int = 10
    #: How long a caller waits for a free connection before it is told to come back.
    database_pool_timeout_ms: int = 20_000
    #: The longest a single statement may run, and the longest a transaction may sit idle: both end a stuck row lock.
    database_statement_timeout_ms: int = 10_000
    database_idle_timeout_ms: int = 15_000
    #: Whether the busiest statements are prepared. Off behind a pgbouncer in transaction mode that does not track them.
    database_prepare: Switch = "on"

    #: The largest request body, in bytes; over it the answer is 413.
    max_body_bytes: int = 1_048_576
    #: The most items one request may carry.
    max_items: int = 100
    #: How deep JSON may nest.
    max_depth: int = 32
    #: The longest a long poll may wait; Heroku cuts a silent request at 30 s.
    max_wait_s: int = 25
    #: How long an idempotency key stands for what was made for it.
    idempotency_keys_kept_h: int = 24
    #: Origins of pages and browser extensions that may call, with spaces or commas between. Without, none may.
    cors_origins: str = ""
    #: How many requests a client may make in a second, on average, of one process; each item after the first counts as
    #: one more. And how many all clients together: what one client may is better far below. 0: any number.
    client_requests_per_s: int = 2_000
    process_requests_per_s: int = 5_000
    #: How many tokens that are no good an address may show to one process in a second, on average. 0: any number.
    refused_tokens_per_s: int = 100
    #: Whether answers tell in `RateLimit` and `RateLimit-Policy` what is left (a draft of the IETF).
    rate_limit_headers: Switch = "on"
    #: How many requests may wait for an answer at a time, of one client and of all, in one process. The process takes
    #: 10,000 connections (ops/gunicorn.py): some are to be left for those who do not wait.
    client_waiters: int = 5_000
    process_waiters: int = 9_000
    #: Proxies in front of the web process whose `X-Forwarded-*` headers may be believed.
    trusted_proxies: int = 0

    #: How long a worker may be silent before others take over what it was doing.
    lease_ms: int = 15_000
    #: How often a validation whose engine crashed is tried again before it is dead-lettered, and the first pause.
    validation_retries: int = 4
    validation_backoff_ms: int = 250
    #: A pending row that nobody is known to have sent is sent again after this long.
    rescue_after_ms: int = 3_000
    #: The slow second reason to send again: a row known as sent that still has no answer.
    rescue_stale_after_ms: int = 600_000

    #: Keys that sign our own JWTs, the present one first: PEM, or a file of it. Without, there are none.
    jwt_signing_keys: str = field(default="", repr=False)
    #: How our own JWTs name who made them, and whom all JWTs must be meant for.
    jwt_issuer: str = "rate-platform"
    jwt_audience: str = "rate-platform"
    #: Another issuer whose JWTs are taken, and its public keys: the `https` URL or the file of a JWK Set.
    jwt_trusted_issuer: str = ""
    jwt_trusted_jwks: str = ""
    #: How often an OAuth client may ask for a JWT from one address, and how often that address may be refused one.
    token_requests_per_minute: int = 30

    #: Months of partitions that are made ahead of the present one.
    partition_months_ahead: int = 3
    #: Days that a comparison is kept after its end.
    comparison_days: int = 30

    log_format: LogFormat = "json"
    log_level: LogLevel = "info"
    #: Where unexpected errors are reported: a Sentry-compatible DSN. Without, they are only logged.
    sentry_dsn: str = field(default="", repr=False)
    #: The address of a collector that takes traces by OTLP over HTTP, without its path. Without, there are no spans.
    otel_endpoint: str = field(default="", repr=False)
    #: The share of all traces that is recorded, from 0 to 1.
    trace_share: float = 1.0
    #: What errors and traces call this deployment, and what runs in it (Sentry looks for a commit by itself).
    environment: str = "production"
    release: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Return the settings that `env` describes.

        Raises:
            SettingsError: a required variable is missing, a value is of the wrong kind, or a `RATE_` name is unknown.
        """
        fields = {variable(f.name): f for f in dataclasses.fields(cls)}
        faults = [
            f"{name} is not a setting.{hint(name, fields)}"
            for name in env
            if name.startswith(PREFIX) and name not in fields
        ]
        values: dict[str, Any] = {}
        for name, setting in fields.items():
            text = env.get(name)
            if not text:
                if setting.default is dataclasses.MISSING:
                    faults.append(f"{name} is not set.")
                continue
            try:
                values[setting.name] = parse(text, setting.type)
            except ValueError as error:
                faults.append(f"{name} {error}")
        if faults:
            raise SettingsError("\n".join(faults))
        values["database_url"] = sqlalchemy_url(values["database_url"])
        if values.get("redis_certificate") == "unchecked":
            values["redis_url"] = unchecked(values["redis_url"])
        return cls(**values)


def variable(name: str) -> str:
    """Return the environment variable that sets the field `name`."""
    return PLATFORM_NAMES.get(name, PREFIX + name.upper())


def parse(text: str, kind: Any) -> Any:
    """Return `text` as the field's type. Raises ValueError with the rest of a sentence that starts with its name."""
    if kind is int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number, not {text!r}.") from None
        if number < 0:
            raise ValueError(f"must not be negative, but is {number}.")
        return number
    if kind is float:
        return share(text)
    choices = get_args(kind)
    if choices and text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}, not {text!r}.")
    return text


def share(text: str) -> float:
    """Return `text` as a share of a whole. Raises ValueError like `parse`."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {text!r}.")
    return number


def hint(name: str, known: Mapping[str, Any]) -> str:
    """Return ` Did you mean …?` when one of the known names is close, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def sqlalchemy_url(url: str) -> str:
    """Return `url` naming the driver: platforms hand out `postgres://`, which SQLAlchemy refuses."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgres", "postgresql"):
        return f"postgresql+psycopg://{rest}"
    return url


def unchecked(url: str) -> str:
    """Return `url` taking any certificate, where it is one of TLS that says nothing else of it."""
    parts = urlsplit(url)
    if not parts.scheme.startswith("rediss") or "ssl_cert_reqs=" in parts.query:
        return url
    return urlunsplit(parts._replace(query=f"{parts.query}&ssl_cert_reqs=none".lstrip("&")))
