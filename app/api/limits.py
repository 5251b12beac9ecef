"""Limits: how much a client may ask of this process, and all of them together. Over it: 429, and when to come back.

A request costs one unit, and one more for each item after its first. Each process counts for itself: to ask Redis would
cost every request more than this protects from, and would be in the way when Redis is away. So a client of a service
with four processes has up to four times as much. Whoever is refused has spent nothing: the budget that all share is not
used up by the one who asks too much.

The header fields are those of draft-ietf-httpapi-ratelimit-headers-11, which is no standard yet: they are made here
only, and can be switched off.
"""

import math
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import cast

from flask import Flask, Response, current_app, g, request

from app.api.access_log import PROBES
from app.api.budgets import WHOLE_S, Budget
from app.errors import TooManyRequests
from app.settings import Settings

#: The name under which the budget of the process is kept.
ALL = "all"


@dataclass(frozen=True)
class Limit:
    """One limit, by the name that the headers give it."""

    name: str
    budget: Budget

    @property
    def policy(self) -> str:
        """What it is in general, as `RateLimit-Policy` has it."""
        return f'"{self.name}";q={self.budget.size};w={WHOLE_S}'

    def state(self, who: Hashable, now: float) -> str:
        """Return what is left of it, as `RateLimit` has it."""
        whole_in_s = max(1, math.ceil(self.budget.whole_in_s(who, now)))
        return f'"{self.name}";r={self.budget.left(who, now)};t={whole_in_s}'


class Limits:
    """The limits of one process. A limit of 0 is none."""

    def __init__(self, *, client_per_s: int, process_per_s: int) -> None:
        self._client = Limit("client", Budget(client_per_s)) if client_per_s else None
        self._process = Limit("process", Budget(process_per_s)) if process_per_s else None

    def admit(self, who: Hashable) -> None:
        """Return only if `who` may ask for something now; it has cost one unit. Raises TooManyRequests."""
        now = time.monotonic()
        for limit, name in self._held(who):
            if pause_s := limit.budget.pause_s(name, now):
                g.limit = (limit, name)
                raise TooManyRequests(
                    f"Too many requests for now: the limit of the {limit.name} is used up.",
                    limit=limit.name,
                    retry_after_s=max(1, math.ceil(pause_s)),
                )
        self.charge(who, 1)

    def charge(self, who: Hashable, units: int) -> None:
        """Have so many units gone from what `who` has, and from what all have."""
        now = time.monotonic()
        for limit, name in self._held(who):
            limit.budget.spend(name, units, now)

    def _held(self, who: Hashable) -> list[tuple[Limit, Hashable]]:
        # The client's first: it is the one that headers tell of.
        return [(limit, name) for limit, name in ((self._client, who), (self._process, ALL)) if limit]

    def headers(self, who: Hashable) -> dict[str, str]:
        """Return what to tell of the limit that has refused this request, else of the client's."""
        limit, name = g.get("limit") or (self._client, who)
        if limit is None:
            return {}
        return {"RateLimit-Policy": limit.policy, "RateLimit": limit.state(name, time.monotonic())}


def install(app: Flask, settings: Settings) -> None:
    """Have every request to `app` counted once it is known who calls. What machines ask all day is free."""
    limits = Limits(client_per_s=settings.client_requests_per_s, process_per_s=settings.process_requests_per_s)
    app.extensions["limits"] = limits

    def count() -> None:
        if request.url_rule is None or request.url_rule.rule in PROBES:
            return
        # Without a token there is only the address. A token that is no good has ended the request already.
        g.spender = g.caller.client_id if "caller" in g else request.remote_addr
        limits.admit(g.spender)

    def tell(response: Response) -> Response:
        if "spender" in g:
            response.headers.update(limits.headers(g.spender))
        return response

    app.before_request(count)
    if settings.rate_limit_headers == "on":
        app.after_request(tell)


def charge(units: int) -> None:
    """Have the current request cost so many units more. Nobody is refused for it: the next request is."""
    if units > 0:
        cast(Limits, current_app.extensions["limits"]).charge(g.spender, units)
