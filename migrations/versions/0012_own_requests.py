"""A client's own requests, newest first: an index, or a small client would wait for all that large ones have sent.

It is built under a lock that lets nobody write: at once on a ledger that is new, some seconds a million requests.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the index, on the parent and on every month there is."""
    op.execute("CREATE INDEX validation_requests_client_id_id_idx ON validation_requests (client_id, id)")


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP INDEX validation_requests_client_id_id_idx")
