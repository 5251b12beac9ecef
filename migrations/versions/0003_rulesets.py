"""Published rule sets, one row a version."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE rulesets (
            name text NOT NULL,
            version integer NOT NULL,
            definition jsonb NOT NULL,
            content_hash bytea NOT NULL,
            published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT rulesets_pkey PRIMARY KEY (name, version)
        )
        """
    )


def downgrade() -> None:
    """Remove the table."""
    op.execute("DROP TABLE rulesets")
