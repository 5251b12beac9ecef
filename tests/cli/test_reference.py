from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app.reference import MOST_BYTES
from tests.cli.calls import run


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """A file with three ports."""
    return written(tmp_path / "ports.csv", "code,name\nVNSGN,Ho Chi Minh City\nDEHAM,Hamburg\nNLRTM,\n")


def written(file: Path, text: str | bytes) -> Path:
    """Return the file, with this in it."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def load(app: Flask, file: Path, *more: str, name: str = "ports") -> Result:
    return run(app, "reference", "load", str(file), "--name", name, *more)


def refused(result: Result) -> str:
    """Return the one line that says why a command was refused."""
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr.splitlines()[-1]


def test_a_file_is_loaded_listed_and_shown(app: Flask, ports: Path) -> None:
    loaded = load(app, ports, "--source", "the harbour master")

    assert (loaded.exit_code, loaded.stdout) == (0, "ports@1 loaded: 3 rows.\n"), loaded.output
    listed = run(app, "reference", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["iso3166@1", "iso4217@1", "ports@1"]
    assert "3 rows" in listed[2]
    assert listed[2].endswith("by cli  the harbour master")
    shown = run(app, "reference", "show", "ports").stdout.splitlines()
    assert shown == [listed[2], 'DEHAM  {"name":"Hamburg"}', "NLRTM", 'VNSGN  {"name":"Ho Chi Minh City"}']


def test_the_source_is_the_file_when_nobody_says_otherwise(app: Flask, ports: Path) -> None:
    load(app, ports)

    assert run(app, "reference", "show", "ports").stdout.splitlines()[0].endswith("  ports.csv")


def test_the_same_content_again_is_no_new_version(app: Flask, ports: Path, tmp_path: Path) -> None:
    load(app, ports)

    json = '["NLRTM", {"code": "DEHAM", "name": "Hamburg"}, {"code": "VNSGN", "name": "Ho Chi Minh City"}]'
    again = load(app, written(tmp_path / "ports.JSON", json))

    assert (again.exit_code, again.stdout) == (0, "ports@1 has this content already: 3 rows.\n")


def test_an_older_version_can_be_shown(app: Flask, ports: Path, tmp_path: Path) -> None:
    load(app, ports)
    load(app, written(tmp_path / "one.json", '["DEHAM"]'))

    assert run(app, "reference", "show", "ports").stdout.splitlines()[1:] == ["DEHAM"]
    assert len(run(app, "reference", "show", "ports@1").stdout.splitlines()) == 4


def test_a_built_in_table_is_shown_whole(app: Flask) -> None:
    shown = run(app, "reference", "show", "iso3166@1").stdout.splitlines()

    assert shown[0].startswith("iso3166@1  249 rows  built in")
    assert (len(shown), shown[1], shown[-1]) == (250, "AD", "ZW")


def test_what_was_never_loaded_cannot_be_shown(app: Flask, ports: Path) -> None:
    load(app, ports)

    for name in ("port", "ports@2", "ports@0", "ports@x", "ports@", "iso3166@2", "", "@1", "Ports"):
        assert refused(run(app, "reference", "show", name)).startswith("Error: There is no reference table ")


def test_what_is_wrong_with_a_file_is_one_line_and_nothing_is_loaded(app: Flask, tmp_path: Path) -> None:
    wrong: dict[str, str | bytes] = {
        "Error: Line 3: the code DEHAM is there already, in line 2.": "code\nDEHAM\nDEHAM\n",
        "Error: Line 2: the byte 0xe1 is no UTF-8; save the file as UTF-8.": b"code,name\nESAGP,M\xe1laga\n",
        "Error: There are no rows.": "code\n",
        "Error: A file has at most 8388608 bytes.": "x" * (MOST_BYTES + 1),
    }

    for said, text in wrong.items():
        assert refused(load(app, written(tmp_path / "ports.csv", text))) == said
    assert "ports" not in run(app, "reference", "list").stdout


def test_a_file_of_no_known_format_is_refused(app: Flask, tmp_path: Path) -> None:
    assert refused(load(app, written(tmp_path / "ports.xlsx", "PK"))).endswith("is neither .csv nor .json.")


def test_a_file_that_is_not_there_is_refused(app: Flask, tmp_path: Path) -> None:
    result = load(app, tmp_path / "nothing.csv")

    assert result.exit_code == 2
    assert "nothing.csv" in result.stderr


def test_a_name_that_cannot_be_taken_is_refused(app: Flask, ports: Path) -> None:
    assert "comes with the platform" in refused(load(app, ports, name="iso4217"))
    assert "small letters" in refused(load(app, ports, name="My Ports"))
