"""The guard is tested in front of the whole application."""

from tests.api.conftest import app, client, database, settings

__all__ = ["app", "client", "database", "settings"]
