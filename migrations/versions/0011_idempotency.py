"""Keys by which a client may repeat a request without having it done twice."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE idempotency_keys (
            client_id uuid NOT NULL,
            route text NOT NULL,
            name text NOT NULL,
            digest bytea NOT NULL,
            made_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT idempotency_keys_pkey PRIMARY KEY (client_id, route, name)
        )
        """
    )
    op.execute("CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at)")


def downgrade() -> None:
    """Remove the table."""
    op.execute("DROP TABLE idempotency_keys")
