"""Clients that get tokens for their secret (RFC 6749)."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE oauth_clients (
            id text NOT NULL,
            client_id uuid NOT NULL,
            secret_digest bytea,
            scopes text[] NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            revoked_at timestamptz,
            CONSTRAINT oauth_clients_pkey PRIMARY KEY (id),
            CONSTRAINT oauth_clients_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients (id)
        )
        """
    )
    op.execute("CREATE INDEX oauth_clients_client_id_idx ON oauth_clients (client_id)")


def downgrade() -> None:
    """Remove the table."""
    op.execute("DROP TABLE oauth_clients")
