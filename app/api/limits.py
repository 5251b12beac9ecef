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
from typing import cast

from flask import Flask, Response, current_app, g, request

from app.api import detour
from app.api.access_log import PROBES
from app.budgets import WHOLE_S, Budget
from app.errors import TooManyRequests
from app.settings import Settings

#: The name under which the budget of the process is kept.
ALL = "all"


class Limit:
    """One limit, by the name that the headers give it; with `one_for_all`, all share its one budget."""

    def __init__(self, name: str, per_s: int, *, one_for_all: bool) -> None:
        self.name = name
        self.budget = Budget(per_s)
        #: What it is in general, as `RateLimit-Policy` has it.
        self.policy = f'"{name}";q={self.budget.size};w={WHOLE_S}'
        self._one_for_all = one_for_all

    def key(self, who: Hashable) -> Hashable:
        """Return the name of the budget that `who` spends."""
        return ALL if self._one_for_all else who

    def state(self, who: Hashable, now: float) -> str:
        """Return what is left of it, as `RateLimit` has it."""
        key = self.key(who)
        whole_in_s = max(1, math.ceil(self.budget.whole_in_s(key, now)))
        return f'"{self.name}";r={self.budget.left(key, now)};t={whole_in_s}'


class Limits:
    """The limits of one process. A limit of 0 is none."""

    def __init__(self, *, client_per_s: int, process_per_s: int) -> None:
        self.client = Limit("client", client_per_s, one_for_all=False) if client_per_s else None
        process = Limit("process", process_per_s, one_for_all=True) if process_per_s else None
        self._limits = tuple(limit for limit in (self.client, process) if limit)

    def refusing(self, who: Hashable) -> Limit | None:
        """Return the limit that refuses `who`, None when there is none."""
        now = time.monotonic()
        return next((limit for limit in self._limits if limit.budget.pause_s(limit.key(who), now)), None)

    def admit(self, who: Hashable) -> Limit | None:
        """Return the limit that refuses `who`, None when there is none: then the request has cost one unit."""
        refusing = self.refusing(who)
        if refusing is None:
            self.charge(who, 1)
        return refusing

    def headers(self, who: Hashable, refusing: Limit | None = None) -> dict[str, str]:
        """Return the header fields that tell of the limit that has refused the request, else of the client's."""
        limit = refusing or self.client
        if limit is None:
            return {}
        return {"RateLimit-Policy": limit.policy, "RateLimit": limit.state(who, time.monotonic())}

    def charge(self, who: Hashable, units: int) -> None:
        """Have so many units gone from what `who` has, and from what all have."""
        now = time.monotonic()
        for limit in self._limits:
            limit.budget.spend(limit.key(who), units, now)


def install(app: Flask, settings: Settings) -> Limits:
    """Have every request to `app` counted once it is known who calls. What machines ask all day is free."""
    limits = Limits(client_per_s=settings.client_requests_per_s, process_per_s=settings.process_requests_per_s)
    app.extensions["limits"] = limits

    def count() -> None:
        rule = request.url_rule
        if rule is None or rule.rule in PROBES:
            return
        # Without a token there is only the address. A token that is no good has ended the request already.
        caller = g.get("caller")
        g.spender = who = caller.client_id if caller else request.remote_addr
        if detour.brought(request.environ):  # It has been counted.
            return
        if refusing := limits.admit(who):
            g.limit = refusing
            raise refused(refusing, who)

    def tell(response: Response) -> Response:
        """Tell how much is left."""
        if (who := g.get("spender")) is not None:
            response.headers.extend(limits.headers(who, g.get("limit")))
        return response

    app.before_request(count)
    if settings.rate_limit_headers == "on":
        app.after_request(tell)
    return limits


def refused(limit: Limit, who: Hashable) -> TooManyRequests:
    """Return the error for a request that the limit refuses."""
    pause_s = limit.budget.pause_s(limit.key(who), time.monotonic())
    return TooManyRequests(
        f"Too many requests for now: the limit of the {limit.name} is used up.",
        limit=limit.name,
        retry_after_s=max(1, math.ceil(pause_s)),
    )


def charge(units: int) -> None:
    """Have the current request cost so many units more. Nobody is refused for it: the next request is."""
    if units > 0:
        cast(Limits, current_app.extensions["limits"]).charge(g.spender, units)
