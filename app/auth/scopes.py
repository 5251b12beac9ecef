"""Scopes: what a token may be used for. Each is the scope of at least one route."""

from enum import StrEnum


class Scope(StrEnum):
    """One thing that a caller may do."""

    #: Send items to be validated.
    VALIDATIONS_WRITE = "validations:write"
    #: Read one's own requests and their answers.
    VALIDATIONS_READ = "validations:read"
    #: Read the process's numbers.
    METRICS_READ = "metrics:read"
    #: Read whether the servers behind the platform can be reached.
    STATUS_READ = "status:read"
