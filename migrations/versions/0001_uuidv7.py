"""Give servers older than PostgreSQL 18 a uuidv7() of their own.

On 18 the built-in one is found first (pg_catalog comes before public), so nothing is made there.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the function where the server has none.

    RFC 9562 §5.7: 48 bits of Unix milliseconds, then random bits. A random UUID already has the variant bits right and
    version 4 (0100); setting two more bits of that nibble makes it 7 (0111).
    """
    op.execute(
        """
        DO $make$
        BEGIN
            IF current_setting('server_version_num')::int < 180000 THEN
                CREATE FUNCTION uuidv7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $body$
                    SELECT encode(set_bit(set_bit(
                        overlay(uuid_send(gen_random_uuid())
                            PLACING substring(int8send(
                                floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3 FOR 6)
                            FROM 1 FOR 6),
                        52, 1), 53, 1), 'hex')::uuid
                $body$;
            END IF;
        END
        $make$
        """
    )


def downgrade() -> None:
    """Remove the function where upgrade made it."""
    op.execute("DROP FUNCTION IF EXISTS public.uuidv7()")
