"""Scopes: what a token may be used for. Each is the scope of at least one route."""

from enum import StrEnum


class Scope(StrEnum):
    """One thing that a caller may do."""

    #: Send items to be validated.
    VALIDATIONS_WRITE = "validations:write"
    #: Read one's own requests and their answers.
    VALIDATIONS_READ = "validations:read"
    #: Read rule sets, published and drafted, and try them.
    RULESETS_READ = "rulesets:read"
    #: Draft, publish and restore rule sets.
    RULESETS_WRITE = "rulesets:write"
    #: Read reference tables.
    REFERENCE_READ = "reference:read"
    #: Load new versions of reference tables.
    REFERENCE_WRITE = "reference:write"
    #: Make, list and revoke one's own tokens.
    TOKENS_ADMIN = "tokens:admin"
    #: Read the process's numbers.
    METRICS_READ = "metrics:read"
    #: Read the audit trail.
    AUDIT_READ = "audit:read"
    #: Read whether the servers behind the platform can be reached.
    STATUS_READ = "status:read"
