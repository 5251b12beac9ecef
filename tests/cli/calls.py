"""Calling commands as a shell does, in this process."""

from click.testing import Result
from flask import Flask
from sqlalchemy import select

from app.models.audit import AuditEntry
from app.platform import Platform


def run(app: Flask, *words: str) -> Result:
    """Return how a command ended."""
    return app.test_cli_runner().invoke(args=words)


def noted(app: Flask, subject: str) -> list[tuple[str, str]]:
    """Return who did what to this thing, oldest first."""
    platform: Platform = app.extensions["platform"]
    with platform.database.transaction() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id))
        return [(row.actor, row.action) for row in rows]
