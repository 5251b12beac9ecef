"""Alembic migrations: `env.py` says how they run, `versions/` what they change."""
