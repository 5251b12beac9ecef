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


class RuleSetNotFound(AppError):
    """There is no rule set, or no such version of it, at the path that was asked for."""

    code = "ruleset_not_found"


class RuleSetInvalid(AppError):
    """The definition cannot become a rule set, or its own examples say that it does not do what it should.

    `params["errors"]` lists `{pointer, code, detail, params}`; the pointers lead into the definition.
    """

    code = "ruleset_invalid"


class DraftNotFound(AppError):
    """The rule set has no draft."""

    code = "draft_not_found"


class DraftExists(AppError):
    """A draft was to be made where there is one."""

    code = "draft_exists"


class DraftChanged(AppError):
    """Somebody else has changed the draft since the caller saw it. Nothing was done."""

    code = "draft_changed"


class UnknownTable(AppError):
    """There is no reference table of that name, or no such version of it."""

    code = "reference_unknown"


class BuiltInTable(AppError):
    """A reference table was to be loaded under the name of one that comes with the platform."""

    code = "reference_built_in"


class InvalidTable(AppError):
    """What was to be loaded is no reference table. Nothing was stored.

    `params["errors"]` has the one `{pointer, code, detail, params}` that was met first.
    """

    code = "reference_invalid"


class DraftConflict(AppError):
    """Somebody else has changed, published or discarded the draft while it was being checked."""

    code = "draft_conflict"


class ComparisonNotFound(AppError):
    """The rule set has no such comparison."""

    code = "comparison_not_found"


class ComparisonRunning(AppError):
    """The rule set has a comparison that is not over: there is one at a time."""

    code = "comparison_running"


class ComparisonEnded(AppError):
    """The comparison was to be canceled, but is over."""

    code = "comparison_ended"


class RequestNotFound(AppError):
    """There is no such request, or it is another client's: the two are not told apart."""

    code = "request_not_found"


class IdempotencyKeyInvalid(AppError):
    """The idempotency key is empty, too long, or not made of visible ASCII."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(AppError):
    """The idempotency key has been sent before, with another body. Nothing was done."""

    code = "idempotency_key_reused"


class IdempotencyKeyBusy(AppError):
    """Another request with this idempotency key is being worked on. Nothing was done."""

    code = "idempotency_key_busy"
    retryable = True


class CursorMismatch(AppError):
    """The cursor was handed out by a list with other filters."""

    code = "cursor_mismatch"


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


class TokenNotFound(AppError):
    """There is no such token, or it is another client's: the two are not told apart."""

    code = "token_not_found"


class IssuerAway(AppError):
    """The keys of the token's issuer cannot be read right now, so nobody can tell whether the token is good."""

    code = "issuer_unavailable"
    retryable = True


class TokenRefused(AppError):
    """The token endpoint gives no token. `error` is what RFC 6749 §5.2 calls the reason."""

    code = "token_refused"
    error = "invalid_request"


class JwtOff(TokenRefused):
    """This service makes no JWTs: it has no key to sign them with."""

    code = "jwt_off"
    error = "unsupported_grant_type"


class InvalidTokenRequest(TokenRefused):
    """The request for a token lacks something, repeats something, or says who asks in two ways."""

    code = "invalid_token_request"


class UnsupportedGrant(TokenRefused):
    """A token was asked for in a way (`grant_type`) that there is not here."""

    code = "unsupported_grant_type"
    error = "unsupported_grant_type"


class InvalidClient(TokenRefused):
    """The OAuth client is unknown, revoked, or shows a wrong secret: the caller is not told which."""

    code = "invalid_client"
    error = "invalid_client"


class InvalidScope(TokenRefused):
    """A scope was asked for that there is not, or that the OAuth client may not have."""

    code = "invalid_scope"
    error = "invalid_scope"


class TooManyAttempts(TokenRefused):
    """Too many tokens were asked for. `params["retry_after_s"]` seconds later there is one again."""

    code = "too_many_attempts"
    error = "slow_down"
    retryable = True


class TooManyRequests(AppError):
    """A limit of requests is used up. `params["retry_after_s"]` seconds later there is room again."""

    code = "too_many_requests"
    retryable = True


class TooManyWaiters(AppError):
    """As many requests wait already as may wait at a time, of the client or of all."""

    code = "too_many_waiters"
    retryable = True


class DryRunTooSlow(AppError):
    """The rules take too long over the items to be waited for; `params["judged"]` is how many they got through."""

    code = "dry_run_too_slow"


class BadRequest(AppError):
    """The body cannot be taken as it is: not JSON, too deep, or with text that Postgres cannot store."""

    code = "bad_request"


class InvalidRequest(AppError):
    """The body is JSON but not of the shape that the route asks for.

    `params["errors"]` lists `{pointer, code, detail, params}`.
    """

    code = "invalid_request"


class PreconditionMissing(AppError):
    """The change is only made for a caller who says which state it is made for (If-Match)."""

    code = "precondition_required"


class DatabaseAway(AppError):
    """Postgres cannot be reached right now. Nothing was stored."""

    code = "database_unavailable"
    retryable = True


class NotReady(AppError):
    """This process should not be sent requests right now."""

    code = "not_ready"
    retryable = True
