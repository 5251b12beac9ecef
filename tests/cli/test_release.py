from dataclasses import replace

from app.settings import Settings
from tests.applications import application
from tests.cli.calls import run
from tests.conftest import scratch_database


def test_a_release_says_what_it_did_and_has_nothing_to_do_the_second_time(
    settings: Settings, postgres_url: str
) -> None:
    with scratch_database(postgres_url) as empty, application(replace(settings, database_url=empty)) as app:
        first, second = run(app, "release"), run(app, "release")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "rule set fx_rate@1 published" in first.stdout
    assert "partition" in first.stdout
    assert len(second.stdout.splitlines()) == 1


def test_a_database_that_is_away_ends_a_command_with_a_sentence(settings: Settings) -> None:
    away = replace(settings, database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing")

    with application(away) as app:
        results = [run(app, *words) for words in (["release"], ["tokens", "list"])]

    for result in results:
        assert result.exit_code == 1
        said = result.stderr.splitlines()[-1]
        assert said.startswith("Error: The database cannot be reached right now: ")
        assert said.endswith('"127.0.0.1", port 1 failed: Connection refused')
