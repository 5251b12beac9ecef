"""Clients and their tokens, hashed."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.execute(
        """
        CREATE TABLE clients (
            id uuid NOT NULL,
            name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT clients_pkey PRIMARY KEY (id),
            CONSTRAINT clients_name_key UNIQUE (name)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE tokens (
            id uuid NOT NULL,
            client_id uuid NOT NULL,
            name text NOT NULL,
            digest bytea NOT NULL,
            ending text NOT NULL,
            scopes text[] NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz,
            revoked_at timestamptz,
            CONSTRAINT tokens_pkey PRIMARY KEY (id),
            CONSTRAINT tokens_digest_key UNIQUE (digest),
            CONSTRAINT tokens_client_id_fkey FOREIGN KEY (client_id) REFERENCES clients (id)
        )
        """
    )
    op.execute("CREATE INDEX tokens_client_id_idx ON tokens (client_id)")


def downgrade() -> None:
    """Remove the tables."""
    for table in ("tokens", "clients"):
        op.execute(f"DROP TABLE {table}")
