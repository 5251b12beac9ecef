"""Findings carry suggestions; requests may ask for safe fixes; verdicts keep those and name the tables used."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns. Each has a constant default or none, so no row is written and old code goes on inserting.

    The check is not asked of rows that are there (NOT VALID): all have NULL, and reading them would hold up everybody.
    """
    op.execute("ALTER TABLE findings ADD COLUMN suggestion jsonb")
    op.execute(
        "ALTER TABLE validation_requests ADD COLUMN autofix text,"
        " ADD CONSTRAINT validation_requests_autofix_check CHECK (autofix IN ('safe')) NOT VALID"
    )
    op.execute("ALTER TABLE validation_responses ADD COLUMN tables jsonb NOT NULL DEFAULT '{}', ADD COLUMN fixed jsonb")


def downgrade() -> None:
    """Remove the columns."""
    op.execute("ALTER TABLE validation_responses DROP COLUMN fixed, DROP COLUMN tables")
    op.execute("ALTER TABLE validation_requests DROP COLUMN autofix")
    op.execute("ALTER TABLE findings DROP COLUMN suggestion")
