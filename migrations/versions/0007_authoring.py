"""Drafts of rule sets, who published a version and why, and the audit trail."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables, and the columns: what is there has come with a release, as has what older code still adds."""
    op.execute(
        """
        CREATE TABLE audit (
            id uuid NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL,
            action text NOT NULL,
            subject text NOT NULL,
            details jsonb NOT NULL,
            request_id text,
            CONSTRAINT audit_pkey PRIMARY KEY (id)
        )
        """
    )
    op.execute(
        """
        CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit trail is only ever added to'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
        """
    )
    op.execute(
        """
        CREATE TABLE ruleset_drafts (
            name text NOT NULL,
            definition jsonb NOT NULL,
            revision uuid NOT NULL,
            based_on integer,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            updated_by text NOT NULL,
            CONSTRAINT ruleset_drafts_pkey PRIMARY KEY (name)
        )
        """
    )
    op.execute(
        """
        ALTER TABLE rulesets
            ADD COLUMN published_by text NOT NULL DEFAULT 'release',
            ADD COLUMN note text,
            ADD COLUMN restores integer
        """
    )


def downgrade() -> None:
    """Remove the tables and the columns."""
    op.execute("ALTER TABLE rulesets DROP COLUMN published_by, DROP COLUMN note, DROP COLUMN restores")
    op.execute("DROP TABLE ruleset_drafts")
    op.execute("DROP TABLE audit")
    op.execute("DROP FUNCTION audit_refuse()")
