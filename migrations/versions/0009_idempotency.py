"""Keys by which a client may repeat a request."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make it."""


def downgrade() -> None:
    """Remove it."""
