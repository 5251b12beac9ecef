"""What can go wrong in the domain: one root, no HTTP in it.

`app.api.problems` is the one place that turns these into HTTP answers.
"""

from typing import Any


class AppError(Exception):
    """Something a caller can act on. `code` is stable; `detail` is a sentence for people."""

    #: Stable, machine-readable name of the error, part of the public interface.
    code = "error"
    #: Does the same call have a chance of succeeding if it is made again later?
    retryable = False

    def __init__(self, detail: str, **params: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.params = params


class UnknownRuleSet(AppError):
    """The caller named a rule set that is not published."""

    code = "ruleset_unknown"


class RuleSetChanged(AppError):
    """A published version of a rule set was to be published again with another content."""

    code = "ruleset_changed"


class RequestNotFound(AppError):
    """There is no such request, or it is another client's: the two are not told apart."""

    code = "request_not_found"


class Unauthenticated(AppError):
    """The request carries no token."""

    code = "unauthenticated"


class InvalidToken(Unauthenticated):
    """The token is malformed, unknown, expired or revoked: the caller is not told which."""

    code = "invalid_token"


class MisplacedToken(AppError):
    """The request carries a token where none may be, or two."""

    code = "token_misplaced"


class Forbidden(AppError):
    """The token is good but lacks the scope that the route asks for, which is `params["scope"]`."""

    code = "insufficient_scope"


class BadRequest(AppError):
    """The body cannot be taken as it is: not JSON, too deep, or with text that Postgres cannot store."""

    code = "bad_request"


class InvalidRequest(AppError):
    """The body is JSON but not of the shape that the route asks for.

    `params["errors"]` lists `{pointer, code, detail, params}`.
    """

    code = "invalid_request"


class DatabaseAway(AppError):
    """Postgres cannot be reached right now. Nothing was stored."""

    code = "database_unavailable"
    retryable = True


class NotReady(AppError):
    """This process should not be sent requests right now."""

    code = "not_ready"
    retryable = True
