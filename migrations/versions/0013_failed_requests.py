"""A client's failed requests: an index of these few, or to list them would mean to look through all that it has sent.

Requests that do not fail are never in it, so it costs them nothing. It is built under a lock that lets nobody write: at
once on a ledger that is new, about a second for some million requests.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the index, on the parent and on every month there is."""
    op.execute(
        "CREATE INDEX validation_requests_failed_idx ON validation_requests (client_id, id) WHERE state = 'failed'"
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP INDEX validation_requests_failed_idx")
