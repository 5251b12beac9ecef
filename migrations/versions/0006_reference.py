"""Reference tables: code lists by name and version, their rows a thousand to a page."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the two tables. What is once loaded cannot be changed: verdicts name the versions that judged."""
    op.execute(
        """
        CREATE TABLE reference_tables (
            name text NOT NULL,
            version integer NOT NULL,
            content_hash bytea NOT NULL,
            source text NOT NULL,
            row_count integer NOT NULL,
            bytes integer NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            created_by text NOT NULL,
            CONSTRAINT reference_tables_pkey PRIMARY KEY (name, version)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE reference_pages (
            name text NOT NULL,
            version integer NOT NULL,
            page integer NOT NULL,
            codes text[] NOT NULL,
            attributes jsonb NOT NULL,
            CONSTRAINT reference_pages_pkey PRIMARY KEY (name, version, page),
            CONSTRAINT reference_pages_name_version_fkey
                FOREIGN KEY (name, version) REFERENCES reference_tables (name, version)
        )
        """
    )
    op.execute(
        """
        CREATE FUNCTION reference_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a version of a reference table cannot be changed';
        END
        $$
        """
    )
    for table in ("reference_tables", "reference_pages"):
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION reference_is_fixed()"
        )


def downgrade() -> None:
    """Remove the tables."""
    for table in ("reference_pages", "reference_tables"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION reference_is_fixed()")
