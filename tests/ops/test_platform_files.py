"""What a Heroku-style platform reads: Procfile, app.json, .python-version. They agree with each other and the code."""

import configparser
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from dramatiq import cli

from app import messages
from app.settings import PREFIX, Settings, variable
from ops import formation
from tests.processes import ROOT

COMMANDS = formation.read(ROOT / "Procfile")


def app_json() -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
    return manifest


def test_the_procfile_names_every_process_type() -> None:
    assert list(COMMANDS) == ["release", "web", "worker", "clock"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_the_place_of_its_shell(name: str) -> None:
    # Without exec, the platform's SIGTERM would reach a shell that does not pass it on.
    word, program = COMMANDS[name].split()[:2]

    assert word == "exec"
    assert shutil.which(program, path=Path(sys.executable).parent)


def test_every_queue_has_a_process() -> None:
    served: set[str] = set()
    for command in COMMANDS.values():
        program, *arguments = shlex.split(command.removeprefix("exec ").replace("${WORKER_THREADS:-16}", "16"))
        if program == "dramatiq":
            # Without --queues, a worker takes all that its broker declares.
            parser = cli.make_argument_parser()  # type: ignore[no-untyped-call]  # it has no types
            served.update(parser.parse_args(arguments).queues or messages.QUEUES)

    assert served == set(messages.QUEUES)


def test_the_platform_runs_what_the_procfile_says() -> None:
    assert set(app_json()["formation"]) == set(COMMANDS) - {"release"}


def test_the_platform_sets_only_what_is_read() -> None:
    known = {variable(name) for name in Settings.__dataclass_fields__}
    used_by_commands = {"WEB_CONCURRENCY", "WORKER_THREADS"}

    for name in app_json()["env"]:
        assert name in (known if name.startswith(PREFIX) else used_by_commands)


def test_the_platform_brings_both_servers() -> None:
    addons = [addon.partition(":")[0] for addon in app_json()["addons"]]

    assert addons == ["heroku-postgresql", "heroku-redis"]


def test_the_platforms_python_is_one_that_the_package_allows() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    allowed = config["options"]["python_requires"].removeprefix(">=")

    version = (ROOT / ".python-version").read_text().strip()

    assert tuple(map(int, version.split("."))) >= tuple(map(int, allowed.split(".")))
