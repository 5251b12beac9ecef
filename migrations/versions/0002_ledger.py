"""The ledger: requests, their verdicts and findings, partitioned by month on their UUIDv7 key.

There are no foreign keys between them: a month is detached table by table, and a key that pointed at a partition would
stand in its way. The verbs in `app.models` write all three in one transaction.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the three parents. Their partitions are made by `flask release` and by the daily upkeep."""
    op.execute(
        """
        CREATE TABLE validation_requests (
            id uuid NOT NULL DEFAULT uuidv7(),
            client_id uuid NOT NULL,
            source text NOT NULL,
            ruleset text NOT NULL,
            items jsonb NOT NULL,
            state text NOT NULL DEFAULT 'pending',
            reason text,
            epoch text,
            sent_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            finished_at timestamptz,
            CONSTRAINT validation_requests_pkey PRIMARY KEY (id),
            CONSTRAINT validation_requests_state_check CHECK (state IN ('pending', 'done', 'failed'))
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("CREATE INDEX validation_requests_pending_idx ON validation_requests (id) WHERE state = 'pending'")
    op.execute(
        """
        CREATE TABLE validation_responses (
            request_id uuid NOT NULL,
            verdict text NOT NULL,
            item_count integer NOT NULL,
            invalid_items integer[] NOT NULL,
            finding_count integer NOT NULL,
            duration_ms double precision NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT validation_responses_pkey PRIMARY KEY (request_id),
            CONSTRAINT validation_responses_verdict_check CHECK (verdict IN ('valid', 'invalid'))
        ) PARTITION BY RANGE (request_id)
        """
    )
    op.execute(
        """
        CREATE TABLE findings (
            request_id uuid NOT NULL,
            position integer NOT NULL,
            item integer NOT NULL,
            pointer text NOT NULL,
            code text NOT NULL,
            severity text NOT NULL,
            params jsonb NOT NULL,
            rule_id text NOT NULL,
            CONSTRAINT findings_pkey PRIMARY KEY (request_id, position),
            CONSTRAINT findings_severity_check CHECK (severity IN ('error', 'warning', 'info'))
        ) PARTITION BY RANGE (request_id)
        """
    )


def downgrade() -> None:
    """Remove the ledger and everything in it."""
    for table in ("findings", "validation_responses", "validation_requests"):
        op.execute(f"DROP TABLE {table}")
