"""When a token was last used, to the minute: a token that nobody uses is one to revoke."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column. Empty for tokens that have not been used since."""
    op.execute("ALTER TABLE tokens ADD COLUMN last_used_at timestamptz")


def downgrade() -> None:
    """Remove the column."""
    op.execute("ALTER TABLE tokens DROP COLUMN last_used_at")
