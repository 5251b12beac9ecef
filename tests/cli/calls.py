"""Calling commands as a shell does, in this process."""

from click.testing import Result
from flask import Flask


def run(app: Flask, *words: str) -> Result:
    """Return how a command ended."""
    return app.test_cli_runner().invoke(args=words)
