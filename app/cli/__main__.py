"""`python -m app.cli rulesets test FILE`: the commands that need neither an application nor settings."""

import click

from app.cli import rulesets

commands = click.Group("app.cli", commands=[rulesets.group])

if __name__ == "__main__":
    commands(prog_name="python -m app.cli")
